// Charts on a time axis.

import uPlot from "./uplot.js";

import { el } from "./dom.js";

const probe = document.body.appendChild(el("i", { hidden: true }));

/** A custom property as the colour it is now. */
function colour(name) {
  probe.style.color = `var(--${name})`;
  return getComputedStyle(probe).color;
}

/**
 * @typedef {{ name: string, colour: string, fill?: boolean, dash?: boolean, stepped?: boolean }} Line
 */

/** A chart of lines, or of areas one on the other. */
export class Chart {
  /** @param {Line[]} lines @param {{ format: (value: number) => string, stacked?: boolean, clock?: boolean, label: string }} how */
  constructor(lines, how) {
    this.lines = lines;
    this.how = how;
    this.node = el("div.chart", { role: "img", "aria-label": how.label });
    new ResizeObserver(() => this.#resize()).observe(this.node);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#again());
    document.addEventListener("theme", () => this.#again());
  }

  /** @param {number[]} at seconds @param {(number | null)[][]} values a list a line */
  draw(at, values) {
    this.data = [at, ...(this.how.stacked ? stacked(values) : values)];
    if (!this.node.clientWidth) return;
    if (this.plot) this.plot.setData(this.data);
    else this.plot = this.#plot();
  }

  #again() {
    this.plot?.destroy();
    this.plot = this.data && this.node.clientWidth ? this.#plot() : undefined;
  }

  #resize() {
    const { clientWidth: width, clientHeight: height } = this.node;
    if (!width || !this.data) return;
    if (this.plot) this.plot.setSize({ width, height });
    else this.plot = this.#plot();
  }

  #plot() {
    const axis = (more) => ({
      stroke: colour("dim"), font: "11px system-ui, sans-serif", grid: { stroke: colour("grid"), width: 1 }, ticks: { show: false }, ...more,
    });
    const line = ({ name, colour: tone, fill, dash, stepped }) => ({
      label: name, stroke: colour(tone), width: fill ? 1 : 1.75, points: { show: false }, dash: dash ? [5, 4] : undefined,
      // Opaque: what lies behind is another part of the sum.
      fill: fill ? `color-mix(in srgb, ${colour(tone)} 55%, ${colour("card")})` : undefined,
      paths: stepped ? uPlot.paths.stepped({ align: 1 }) : undefined,
    });
    const series = this.lines.map(line);
    const options = {
      width: this.node.clientWidth, height: this.node.clientHeight, padding: [8, 22, 0, 0], legend: { show: false },
      cursor: { points: { show: false }, y: false, drag: { x: false, y: false } },
      scales: { x: { time: this.how.clock !== false }, y: { range: (_, low, high) => [0, Math.max(high * 1.1, this.how.least ?? 1)] } },
      axes: [
        axis({ space: 70, size: 26, values: (_, ticks) => ticks.map(this.how.clock === false ? minutes : time) }),
        axis({ size: 52, space: 34, values: (_, ticks) => ticks.map((value) => (value == null ? "" : this.how.format(value))) }),
      ],
      series: [{}, ...series],
    };
    return new uPlot(options, this.data, this.node);
  }
}

const time = (seconds) => new Date(seconds * 1000).toTimeString().slice(0, 8);

const minutes = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.round(seconds % 60)).padStart(2, "0")}`;

/** Sums from the last to the first, so that the first is drawn behind all others. */
function stacked(values) {
  const sums = values.map((list) => [...list]);
  for (let at = sums.length - 2; at >= 0; at -= 1) sums[at] = sums[at].map((value, x) => value + sums[at + 1][x]);
  return sums;
}
