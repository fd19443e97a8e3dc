"""The machine of a restricted Boltzmann machine (Smolensky 1986): energies, and Gibbs sampling."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlphys.networks import gibbs_sampling
from mlphys.networks.network import MEASURING, Network
from mlphys.schema.fields import Shape

EXACT = 1_000_000  # weights up to which the pseudo-log-likelihood is summed over all visible units: seconds


@dataclass(frozen=True)
class Machine:
    """kernel W (d, m), visible_bias b (d,) and hidden_bias c (m,); samples v have shape (n, d).

    `steps` are those of a chain, `chains` (n, d) the persistent ones, None where each starts at a sample.
    """

    kernel: Any
    visible_bias: Any
    hidden_bias: Any
    seed: Any
    steps: int
    chains: Any

    def hidden(self, v: Any) -> Any:
        """p(h_j = 1 | v), (n, m)."""
        from keras import ops

        return ops.sigmoid(self.field(v))

    def field(self, v: Any) -> Any:
        """c + v W, (n, m)."""
        from keras import ops

        return ops.matmul(v, self.kernel) + self.hidden_bias

    def below(self, h: Any) -> Any:
        """b + h W^T, (n, d)."""
        from keras import ops

        return ops.matmul(h, ops.transpose(self.kernel)) + self.visible_bias

    def free_energy(self, v: Any) -> Any:
        """F(v) = -log sum_h exp(-E(v, h)), (n,)."""
        from keras import ops

        return self.visible_energy(v) - ops.sum(ops.softplus(self.field(v)), axis=1)

    def mean_field(self, v: Any) -> Any:
        """One mean-field step: the mean of v given p(h|v)."""
        return self.visible(self.hidden(v))

    def step(self, v: Any) -> tuple[Any, Any]:
        """One step of Gibbs sampling: the next v, and the mean that it was drawn around."""
        mean = self.visible(self.drawn(self.hidden(v)))
        return self.drawn_visible(mean), mean

    def gibbs(self, v: Any, steps: int) -> Any:
        """v after so many steps."""
        from keras import ops

        if gibbs_sampling.is_compiled():
            kernel, *biases = map(ops.convert_to_tensor, (self.kernel, self.hidden_bias, self.visible_bias))
            state, gaussian = self.seed.state, isinstance(self, Gaussian)
            v = gibbs_sampling.chains_after(steps, v, kernel, (biases[0], biases[1]), state.value, gaussian)
            state.assign(state + ops.cast([0, steps], state.dtype))
            return v
        if steps <= 2:  # unrolled: faster than a loop
            for _ in range(steps):
                v = self.step(v)[0]
            return v
        return ops.fori_loop(0, steps, lambda i, v: self.step(v)[0], v)

    def sampled(self, x: Any, lines: int, every: int) -> Any:
        """Chains that start at samples x (n, ...), each seen after every so many steps: means of v, (n, lines, ...)."""
        from keras import ops

        self.seed.state.assign(np.array(MEASURING, np.uint32))
        v, means = flat(x), []
        for _ in range(lines):
            v, mean = self.step(self.gibbs(v, every - 1))
            means.append(mean)
        return ops.reshape(ops.stack(means, axis=1), (-1, lines, *x.shape[1:]))

    def drawn(self, p: Any) -> Any:
        """1 with probability p, else 0."""
        import keras
        from keras import ops

        return ops.cast(keras.random.uniform(ops.shape(p), seed=self.seed) < p, "float32")

    def visible(self, h: Any) -> Any:
        """The mean of v given h, (n, d)."""
        raise NotImplementedError

    def drawn_visible(self, mean: Any) -> Any:
        """v, drawn around its mean given h."""
        raise NotImplementedError

    def visible_energy(self, v: Any) -> Any:
        """The energy of v alone, (n,)."""
        raise NotImplementedError


class Bernoulli(Machine):
    """Visible units that are 0 or 1."""

    def visible(self, h: Any) -> Any:
        from keras import ops

        return ops.sigmoid(self.below(h))

    def drawn_visible(self, mean: Any) -> Any:
        return self.drawn(mean)

    def visible_energy(self, v: Any) -> Any:
        from keras import ops

        return -ops.matmul(v, self.visible_bias)

    @property
    def exact(self) -> bool:
        """Whether `pseudo_log_likelihood` is a sum over all visible units, not drawn."""
        return math.prod(self.kernel.shape) <= EXACT

    def pseudo_log_likelihood(self, v: Any) -> Any:
        """sum_i log p(v_i | all others) of values rounded to 0 and 1, (n,) (Besag 1975): the sum where it is `exact`,
        else its estimate at one i a sample.

        p(v_i | all others) = sigmoid(F(v with v_i flipped) - F(v)).
        """
        from keras import ops

        if not self.exact:
            return self.drawn_pseudo_log_likelihood(v)
        v = ops.round(v)
        field = self.field(v)
        softplus = ops.softplus(field)

        def add(i: Any, total: Any) -> Any:
            change = 1 - 2 * ops.take(v, i, axis=1)
            flipped = field + change[:, None] * self.kernel[i]
            gain = ops.sum(softplus - ops.softplus(flipped), axis=1) - change * self.visible_bias[i]
            return total - ops.softplus(-gain)

        return ops.fori_loop(0, int(self.kernel.shape[0]), add, ops.zeros_like(v[:, 0]))

    def drawn_pseudo_log_likelihood(self, v: Any) -> Any:
        """d log p(v_i | all others) at one of the d values of each sample, drawn at random, (n,): its mean over i is
        the pseudo-log-likelihood."""
        import keras
        from keras import ops

        values = int(self.kernel.shape[0])
        v = ops.round(v)
        i = ops.minimum(
            ops.cast(values * keras.random.uniform((ops.shape(v)[0],), seed=self.seed), "int32"), values - 1
        )
        change = 1 - 2 * ops.sum(v * ops.one_hot(i, values), axis=1)
        field = self.field(v)
        flipped = field + change[:, None] * ops.take(self.kernel, i, axis=0)
        gain = ops.sum(ops.softplus(field) - ops.softplus(flipped), axis=1)
        return -values * ops.softplus(-(gain - change * ops.take(self.visible_bias, i)))


class Gaussian(Machine):
    """Visible units of variance 1 around their means."""

    def visible(self, h: Any) -> Any:
        return self.below(h)

    def drawn_visible(self, mean: Any) -> Any:
        import keras
        from keras import ops

        return mean + keras.random.normal(ops.shape(mean), seed=self.seed)

    def visible_energy(self, v: Any) -> Any:
        from keras import ops

        return ops.sum((v - self.visible_bias) ** 2, axis=1) / 2


@dataclass(frozen=True, kw_only=True)
class MachineNetwork(Network):
    """The variables of a machine, and what it does with them."""

    machine: Machine


def initial_kernel(visible: str, shape: Shape, random: np.random.Generator) -> np.ndarray:
    """The deeplearning.net tutorial's for 0 and 1, Hinton's (2012) for Gaussian units, which large ones blow up."""
    if visible == "gaussian":
        return random.normal(0, 0.01, shape).astype(np.float32)
    limit = 4 * math.sqrt(6 / sum(shape))
    return random.uniform(-limit, limit, shape).astype(np.float32)


def flat(x: Any) -> Any:
    from keras import ops

    return ops.reshape(x, (-1, math.prod(x.shape[1:])))
