// Lines over time, drawn by uPlot. Each chart has its current values in words too, in its legend.

import { h, setText, show } from "./dom.js";
import { count, duration, rate } from "./format.js";

const SERVICES = ["user", "product", "inventory", "order", "notification"];
const PERCENTILES = [
  ["p50", "half"],
  ["p95", "slow"],
  ["p99", "slowest"],
];
const HEIGHT = 170;
// Steps of an axis that counts.
const WHOLE = [1, 10, 100, 1e3, 1e4, 1e5, 1e6].flatMap((ten) => [ten, 2 * ten, 5 * ten]);

const byService = (prefix) => SERVICES.map((name) => ({ key: `${prefix}.${name}`, label: name, colour: name }));
const percentiles = (prefix) =>
  PERCENTILES.map(([name, colour]) => ({ key: `${prefix}.${name}`, label: name, colour }));

const CHARTS = [
  {
    id: "requests",
    title: "Requests per second",
    lines: byService("requests"),
    format: rate,
    empty: "No requests yet.",
  },
  {
    id: "request-time",
    title: "Time of a request",
    lines: percentiles("requests"),
    format: duration,
    empty: "No requests in this time.",
  },
  {
    id: "decision-time",
    title: "Order placed → stock reserved or rejected",
    lines: percentiles("decisions"),
    format: duration,
    empty: "No order was decided in this time.",
  },
  {
    id: "event-age",
    title: "Event committed → handled",
    lines: percentiles("events"),
    format: duration,
    empty: "No events were handled in this time.",
  },
  {
    id: "failures",
    title: "Failed requests (5xx) per second",
    lines: [{ key: "failures", label: "all services", colour: "slowest" }],
    format: rate,
    empty: "No requests yet.",
  },
  {
    id: "events",
    title: "Events published per second",
    lines: byService("events"),
    format: rate,
    empty: "No events yet.",
  },
  { id: "lag", title: "Consumer lag", lines: byService("lag"), format: count, empty: "Kafka has not answered yet." },
  {
    id: "outbox",
    title: "Events in the outbox",
    lines: byService("outbox"),
    format: count,
    empty: "No service has answered yet.",
  },
];

export class Charts {
  constructor() {
    this.minutes = 5;
    this.history = null;
    this.problem = h("p", { class: "quiet", role: "status" });
    this.cards = CHARTS.map((each) => new Card(each));
    this.element = h(
      "section",
      { class: "charts", "aria-labelledby": "charts" },
      h("div", { class: "row" }, h("h2", { id: "charts" }, "Over time"), this.ranges()),
      h("p", { class: "quiet" }, "Percentiles are of the last 30 seconds. Lines are interrupted where nobody looked."),
      this.problem,
      h(
        "div",
        { class: "grid" },
        this.cards.map((card) => card.element),
      ),
    );
    this.redraw = () => this.rebuild();
    this.scheme = matchMedia("(prefers-color-scheme: dark)");
    this.scheme.addEventListener("change", this.redraw);
    this.sizes = new ResizeObserver(() => this.cards.forEach((card) => card.resize()));
    this.sizes.observe(this.element);
    loaded()
      .catch((error) => setText(this.problem, error.message))
      .then(() => this.history && this.update(this.history));
  }

  ranges() {
    return h(
      "div",
      { class: "choice", role: "group", "aria-label": "Time shown" },
      [5, 30].map((minutes) =>
        h(
          "button",
          {
            type: "button",
            "aria-pressed": String(minutes === this.minutes),
            onclick: (event) => this.choose(minutes, event.target),
          },
          `${minutes} min`,
        ),
      ),
    );
  }

  choose(minutes, button) {
    this.minutes = minutes;
    for (const each of button.parentElement.children) each.setAttribute("aria-pressed", each === button);
    if (this.history) this.update(this.history);
  }

  update(history) {
    this.history = history;
    for (const card of this.cards) card.update(history, this.minutes);
  }

  rebuild() {
    for (const card of this.cards) card.forget();
    if (this.history) this.update(this.history);
  }

  close() {
    this.scheme.removeEventListener("change", this.redraw);
    this.sizes.disconnect();
    for (const card of this.cards) card.forget();
  }
}

class Card {
  constructor({ id, title, lines, format, empty }) {
    this.lines = lines;
    this.format = format;
    this.plot = null;
    this.values = lines.map(() => h("span", { class: "value" }, "–"));
    this.canvas = h("div", { class: "canvas", "aria-hidden": "true" });
    this.empty = h("p", { class: "empty" }, empty);
    this.element = h(
      "figure",
      { class: "card chart", "data-chart": id },
      h("figcaption", {}, title),
      h(
        "ul",
        { class: "legend" },
        lines.map((line, index) =>
          h(
            "li",
            { class: line.colour },
            h("span", { class: "key", "aria-hidden": "true" }),
            `${line.label} `,
            this.values[index],
          ),
        ),
      ),
      h("div", { class: "frame" }, this.canvas, this.empty),
    );
  }

  update(history, minutes) {
    this.lines.forEach((line, index) => setText(this.values[index], this.format(history.latest(line.key))));
    const from = history.last - minutes * 60;
    const first = history.times.findIndex((time) => time >= from) - 1;
    const data = [history.times, ...this.lines.map((line) => history.line(line.key))].map((each) =>
      each.slice(Math.max(0, first)),
    );
    const isEmpty = !data.slice(1).some((line) => line.some((value) => value !== null));
    this.empty.hidden = !isEmpty;
    if (!globalThis.uPlot || !history.times.length) return;
    this.plot ??= this.made();
    this.plot.setData(data, false);
    this.plot.batch(() => {
      this.plot.setScale("x", { min: from, max: history.last });
      this.plot.setScale("y", { min: 0, max: top(data.slice(1), this.format === count ? 4 : 0) });
    });
  }

  made() {
    const style = getComputedStyle(this.element);
    const colour = (name) => style.getPropertyValue(`--${name}`).trim();
    const axis = {
      stroke: colour("quiet"),
      grid: { stroke: colour("grid"), width: 1 },
      ticks: { show: false },
      font: "12px system-ui, sans-serif",
    };
    return new globalThis.uPlot(
      {
        width: this.width(),
        height: HEIGHT,
        legend: { show: false },
        cursor: { show: false },
        padding: [8, 24, 0, 0],
        scales: { x: { time: true, auto: false }, y: { auto: false } },
        axes: [
          {
            ...axis,
            size: 26,
            space: 70,
            values: (_, times) => times.map((time) => new Date(time * 1000).toLocaleTimeString("en-GB").slice(0, 5)),
            incrs: [60, 120, 300, 600],
          },
          {
            ...axis,
            size: 58,
            space: 34,
            ...(this.format === count ? { incrs: WHOLE } : {}),
            values: (_, values) => values.map((value) => (value === 0 ? "0" : this.format(value))),
          },
        ],
        series: [
          {},
          ...this.lines.map((line) => ({
            stroke: colour(line.colour),
            width: 2,
            spanGaps: false,
            points: { show: false },
          })),
        ],
      },
      [[0], ...this.lines.map(() => [null])],
      this.canvas,
    );
  }

  width() {
    return Math.max(200, this.canvas.clientWidth);
  }

  resize() {
    this.plot?.setSize({ width: this.width(), height: HEIGHT });
  }

  forget() {
    this.plot?.destroy();
    this.plot = null;
    show(this.canvas);
  }
}

function top(lines, least) {
  const highest = lines.reduce((most, line) => line.reduce((own, value) => Math.max(own, value ?? 0), most), least);
  return highest > 0 ? highest * 1.1 : 1;
}

let loading = null;

// uPlot's files come from a package that the server fetches when they are first needed.
function loaded() {
  loading ??= new Promise((resolve, reject) => {
    document.head.append(h("link", { rel: "stylesheet", href: "/charts/uPlot.min.css" }));
    document.head.append(
      h("script", {
        src: "/charts/uPlot.iife.min.js",
        onload: resolve,
        onerror: async () => {
          loading = null;
          const body = await fetch("/charts/uPlot.iife.min.js")
            .then((response) => response.json())
            .catch(() => ({}));
          reject(new Error(body.detail ?? "The charts could not be loaded."));
        },
      }),
    );
  });
  return loading;
}
