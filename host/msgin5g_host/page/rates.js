/** How much passes and how long it takes: three plots of the last five minutes, by uPlot. */

import { get } from "./api.js";
import { clock, count, duration, el, say } from "./dom.js";
import uPlot from "./vendor/uplot/uPlot.esm.js";

const MAX_SAMPLES = 300;
const MIN_HEIGHT = 48;
const MIN_SPAN_S = 60;
const rate = (value) => (value == null ? "–" : `${count(value)}/s`);
const plain = (value) => (value == null ? "–" : count(value));
const SYNC = "rates";

// Lines differ in their strokes, too: colour alone says nothing to some.
const PLOTS = [
  {
    name: "Throughput",
    isLog: false,
    series: [
      ["messages", "messages", rate, []],
      ["registrations", "registrations", rate, [5, 3]],
    ],
  },
  {
    name: "Delivery time",
    isLog: true,
    series: [
      ["p50_ms", "p50", duration, []],
      ["p99_ms", "p99", duration, [5, 3]],
    ],
  },
  {
    name: "Trouble",
    isLog: false,
    series: [
      ["queue", "queue", plain, []],
      ["retransmissions", "retransmissions", rate, [5, 3]],
    ],
  },
];
const COLOURS = ["--accent", "--second"];

export class Rates {
  /** on.problem: takes an ApiError. */
  constructor(on) {
    this._on = on;
    this._samples = [];
    this._box = document.getElementById("plots");
    this._when = document.getElementById("rates-when");
    this._frame = 0;
    this._plots = [];
    const again = () => this._make();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
    this._make();
    new ResizeObserver(() => this._soon()).observe(this._box);
  }

  /** Fetch what was so far. */
  async load() {
    try {
      this._samples = (await get("rates")).samples;
    } catch (problem) {
      this._on.problem(problem);
    }
    this._soon();
  }

  /** Take the sample of a second. */
  take(sample) {
    this._samples.push(sample);
    if (this._samples.length > MAX_SAMPLES) this._samples.shift();
    this._soon();
  }

  _soon() {
    this._frame ||= requestAnimationFrame(() => this._draw());
  }

  _make() {
    for (const { plot } of this._plots) plot.destroy();
    this._plots = PLOTS.map(({ name, isLog, series }, number) => {
      const legend = el("figcaption", {}, el("b", {}, name));
      const values = series.map(([, label], at) => {
        const value = el("span", {}, "–");
        legend.append(el("span", { class: `key k${at}` }, label, " ", value));
        return value;
      });
      const canvas = el("div", { class: "plot", role: "img", "aria-label": name });
      const figure = el("figure", {}, legend, canvas);
      const made = { name, isLog, series, figure, values, canvas };
      const shape = options(series, isLog, number === PLOTS.length - 1);
      shape.hooks = { setCursor: [() => this._tell(made)] };
      made.plot = new uPlot(shape, [[], ...series.map(() => [])], canvas);
      return made;
    });
    this._box.replaceChildren(...this._plots.map(({ figure }) => figure));
    this._soon();
  }

  _draw() {
    this._frame = 0;
    const times = this._samples.map((sample) => Date.parse(sample.t) / 1000);
    for (const made of this._plots) {
      const { isLog, series, canvas, plot } = made;
      const { clientWidth: width, clientHeight: height } = canvas;
      if (!width) continue;
      if (width !== plot.width || height !== plot.height) {
        plot.setSize({ width, height: Math.max(height, MIN_HEIGHT) });
      }
      const column = (key) => this._samples.map((sample) => valueOf(sample[key], isLog));
      plot.setData([times, ...series.map(([key]) => column(key))]);
      this._tell(made);
    }
  }

  /** Say in words what is under the pointer, else what is now. */
  _tell({ name, series, values, canvas, plot }) {
    const pointed = this._samples[plot?.cursor.idx ?? -1];
    const sample = pointed ?? this._samples.at(-1);
    if (!sample) return;
    const texts = series.map(([key, , format]) => format(sample[key]));
    texts.forEach((text, at) => say(values[at], text));
    say(this._when, pointed ? clock(pointed.t) : "last 5 minutes");
    const told = series.map(([, label], at) => `${label} ${texts[at]}`).join(", ");
    if (!pointed) canvas.setAttribute("aria-label", `${name} now: ${told}`);
  }
}

/** Return what a colour of the style sheet is now: a canvas knows no light-dark(). */
function colour(name) {
  const probe = document.body.appendChild(el("span", { hidden: true }));
  probe.style.color = `var(${name})`;
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

// A logarithm has no zero.
const valueOf = (value, isLog) => (value == null ? null : isLog ? Math.max(value, 1) : value);

function options(series, isLog, isLast) {
  const axis = {
    stroke: colour("--faint"),
    font: "11px system-ui, sans-serif",
    grid: { stroke: colour("--line"), width: 1 },
    ticks: { show: false },
  };
  return {
    width: 200,
    height: MIN_HEIGHT,
    padding: [8, 24, isLast ? 0 : 8, 0],
    legend: { show: false },
    cursor: { y: false, drag: { setScale: false }, sync: { key: SYNC }, points: { size: 5 } },
    scales: {
      x: { range: (_, from, to) => [Math.min(from, to - MIN_SPAN_S), to] },
      y: isLog ? { distr: 3, range: decades } : { range: high },
    },
    axes: [
      {
        ...axis,
        size: isLast ? 20 : 0,
        space: 70,
        values: (_, marks) => (isLast ? marks.map((mark) => clock(mark * 1000)) : []),
      },
      {
        ...axis,
        ...(isLog && { splits: tens, filter: (_, marks) => marks }),
        size: 44,
        space: 24,
        values: (_, marks) => marks.map((mark) => (mark === null ? "" : series[0][2](mark))),
      },
    ],
    series: [
      {},
      ...series.map(([, label, , dash], at) => ({
        label,
        dash,
        stroke: colour(COLOURS[at]),
        width: 1.5,
        points: { show: false },
        spanGaps: false,
      })),
    ],
  };
}

// A few deliveries that waited for their UE must not press all others to the ground.
function decades(_, low, most) {
  return [1, 10 ** Math.max(2, Math.ceil(Math.log10(most || 1)))];
}

function tens(_, __, low, most) {
  const marks = [];
  for (let mark = low; mark <= most; mark *= 10) marks.push(mark);
  return marks.length > 3 ? marks.filter((_, at) => at % 2 === 0) : marks;
}

// From zero, and never a line that trembles in the middle of an empty plot.
function high(_, low, most) {
  return [0, Math.max(1, (most ?? 0) * 1.15)];
}
