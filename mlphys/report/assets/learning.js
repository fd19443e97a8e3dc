// The weights after some epochs: a slider over them, a button that moves it, and the surface of the loss.
const pause = 250; // milliseconds

class Learning {
  // `turned` is called when the net of the view has other weights.
  constructor(view, turned) {
    Object.assign(this, { net: view.net, turned, last: view.net.frames.length - 1 });
    this.slider = page.make("input", { type: "range", min: 0, max: this.last, value: this.last });
    this.slider.setAttribute("aria-label", "epoch");
    this.told = page.make("output", { textContent: "trained" });
    const play = page.make("button", { type: "button", textContent: "Watch it learn" });
    this.slider.addEventListener("input", () => { clearInterval(this.playing); this.show(Number(this.slider.value)); });
    play.addEventListener("click", () => this.play());
    this.tools = [play, this.slider, this.told];
    if (this.net.plane && page.hasTargets(view)) this.surface = new page.LossSurface(view, (weights) => this.place(weights));
  }

  get element() {
    return page.make("div", {}, page.make("h3", { textContent: "How it learned" }),
      page.make("div", { className: "tools" }, ...this.tools), ...(this.surface ? [this.surface.element] : []));
  }

  show(frame) {
    const { epoch, weights } = this.net.frames[frame];
    this.slider.value = frame;
    this.told.textContent = frame === this.last ? "trained" : `epoch ${epoch}`;
    this.slider.setAttribute("aria-valuetext", this.told.textContent);
    this.net.turnTo(weights);
    this.turned();
    this.surface?.mark(frame);
  }

  play() {
    clearInterval(this.playing);
    let frame = -1;
    this.playing = setInterval(() => {
      frame += 1;
      this.show(frame);
      if (frame === this.last) clearInterval(this.playing);
    }, pause);
  }

  // Weights of a place on the surface, which no epoch has.
  place(weights) {
    clearInterval(this.playing);
    this.told.textContent = "weights of the marked place";
    this.net.turnTo(weights);
    this.turned();
  }
}

// null for a net without snapshots.
page.learning = (view, turned) => (view.net.frames.length > 1 ? new Learning(view, turned) : null);
