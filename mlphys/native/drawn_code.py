"""Codes of a variational autoencoder: m + s e with e from N(0, 1) (Kingma & Welling 2014)."""

from __future__ import annotations

from mlphys.native import noise, vector_math
from mlphys.native.emission import Emission
from mlphys.native.llvm.values import Index, Vector


class DrawnCode(Emission):
    """Of a layer whose outputs are the means m, then as many log variances; sample by sample."""

    def draw(self, i: int, step: Index, sample: Index, count: Index) -> None:
        """The code from the outputs of layer i, and the sample's part of the divergence 1/2 (m^2 + s^2 - 1 - log s^2)
        summed over the code, mean over `count` samples."""
        ir, layer, workspace = self.ir, self.chain.layers[i], self.workspace
        size, one = layer.code_size, ir.broadcast(1.0)
        seed = ir.gep(ir.pointer("seeds"), (self.chain.first_noise(i) + len(layer.noises), 2))
        [sums] = ir.accumulators(1)
        for column, mask in ir.vector_loop(size):
            mean, logarithm = (
                ir.load(self.element(workspace.activations[i + 1], sample, ir.add(first, column)))
                for first in (0, size)
            )
            drawn = noise.draw(ir, seed, step, ir.add(ir.mul(sample, size), column))
            deviation = vector_math.exp(ir, ir.fmul(ir.broadcast(0.5), logarithm))
            spread = ir.fmul(deviation, noise.standard_normal(ir, drawn))
            ir.store_masked(mask, self.element(workspace.codes[i], sample, column), ir.fadd(mean, spread))
            ir.store_masked(mask, self.element(workspace.spreads[i], sample, column), spread)
            variance = vector_math.exp(ir, logarithm)
            value = ir.fma(mean, mean, ir.fsub(ir.fsub(variance, one), logarithm))
            ir.store(sums, ir.fadd(ir.load(sums), ir.masked(mask, value)))
        factor = ir.ratio(0.5 * self._weight(i), count)
        place = self.element(workspace.divergences[i], 0, sample)
        ir.store_scalar(place, ir.product(factor, ir.reduce_add(ir.load(sums))))

    def backpropagate(self, i: int, sample: Index, count: Index) -> None:
        """The gradient with respect to the pre-activations of layer i, from that of the code."""
        ir, workspace, size = self.ir, self.workspace, self.chain.layers[i].code_size
        half, share = ir.broadcast(0.5), ir.broadcast(ir.ratio(self._weight(i), count))
        for column, mask in ir.vector_loop(size):
            a, b = (ir.load(self.element(part, sample, column)) for part in workspace.partial_sums[i])
            of_code, second = ir.fadd(a, b), ir.add(size, column)
            mean, logarithm = (
                ir.load(self.element(workspace.activations[i + 1], sample, each)) for each in (column, second)
            )
            by_mean = ir.fma(share, mean, of_code)
            excess = ir.fsub(vector_math.exp(ir, logarithm), ir.broadcast(1.0))
            spread = ir.load(self.element(workspace.spreads[i], sample, column))
            by_logarithm = ir.fmul(half, ir.fma(share, excess, ir.fmul(of_code, spread)))
            for place, y, gradient in ((column, mean, by_mean), (second, logarithm, by_logarithm)):
                gradient = self._through_activation(i, sample, place, y, gradient)
                ir.store_masked(mask, self.element(workspace.gradients[i], sample, place), gradient)

    def _through_activation(self, i: int, sample: Index, column: Index, y: Vector, gradient: Vector) -> Vector:
        layer = self.chain.layers[i]
        if layer.keeps_slopes:
            return self.ir.fmul(gradient, self.ir.load(self.element(self.workspace.slopes[i], sample, column)))
        return vector_math.backpropagate(self.ir, layer.activation, y, gradient)

    def _weight(self, i: int) -> float:
        weight = self.chain.layers[i].divergence
        assert weight is not None
        return weight
