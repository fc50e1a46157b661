// What runs, how much flows, and how long it takes.

import { Charts } from "./charts.js";
import { h, setClass, setText, show } from "./dom.js";
import { Flow } from "./flow.js";
import { count, duration, rate } from "./format.js";

const LEVELS = { ok: "ready", warning: "not ready", down: "down" };

export function open(container) {
  const summary = h("p", { class: "summary", role: "status" }, "Looking at the shop …");
  const parts = new Parts();
  const tiles = new Tiles();
  const flow = new Flow();
  const charts = new Charts();
  show(
    container,
    h("h1", {}, "Overview"),
    summary,
    h("section", { "aria-labelledby": "parts" }, h("h2", { id: "parts", class: "hidden" }, "Parts"), parts.element),
    h(
      "section",
      { "aria-labelledby": "figures" },
      h("h2", { id: "figures", class: "hidden" }, "Figures"),
      tiles.element,
    ),
    flow.element,
    charts.element,
  );
  return {
    update({ latest, history }) {
      if (latest) {
        setText(summary, sentence(latest.parts));
        parts.update(latest.parts);
        tiles.update(latest);
        flow.update(latest);
      }
      charts.update(history);
    },
    close: () => charts.close(),
  };
}

function sentence(parts) {
  const down = parts.filter((part) => part.level === "down");
  const warned = parts.filter((part) => part.level === "warning");
  if (!down.length && !warned.length) return `All ${parts.length} parts are ready.`;
  const said = (some, what) => (some.length ? [`${some.map((part) => part.title).join(", ")}: ${what}.`] : []);
  return [...said(down, "down"), ...said(warned, "not ready")].join(" ");
}

class Parts {
  constructor() {
    this.element = h("ul", { class: "parts" }, h("li", { class: "part quiet" }, "…"));
    this.shown = new Map();
  }

  update(parts) {
    if (parts.length !== this.shown.size) {
      this.shown = new Map(parts.map((part) => [part.name, this.card(part)]));
      show(
        this.element,
        [...this.shown.values()].map((each) => each.element),
      );
    }
    for (const part of parts) {
      const { element, state, words, uptime } = this.shown.get(part.name);
      setClass(element, `part ${part.level}`);
      setText(state, LEVELS[part.level]);
      setText(words, part.words === LEVELS[part.level] ? "" : part.words);
      setText(uptime, part.process);
    }
  }

  card(part) {
    const state = h("span", { class: "state" });
    const words = h("p", { class: "words" });
    const uptime = h("span", { class: "uptime" });
    const head = h("p", { class: "head" }, h("strong", {}, part.title), " ", state);
    return { element: h("li", { class: "part", "data-part": part.name }, head, uptime, words), state, words, uptime };
  }
}

// Label, how its value is shown, and from which value on it is worth a look.
const TILES = [
  ["orders", "Orders placed", "per minute", (totals) => rate(totals.orders_per_minute), () => ""],
  ["requests", "Requests", "per second", (totals) => rate(totals.requests_per_second), () => ""],
  [
    "failures",
    "Failed requests",
    "5xx, per second",
    (totals) => rate(totals.failures_per_second),
    above("failures_per_second"),
  ],
  ["events", "Events published", "per second", (totals) => rate(totals.events_per_second), () => ""],
  ["lag", "Consumer lag", "records not consumed yet", (totals) => count(totals.lag), () => ""],
  ["outbox", "Outbox", "events not published yet", (totals) => count(totals.outbox), () => ""],
  [
    "dead",
    "Dead letters",
    "to be replayed or discarded",
    (totals) => count(totals.dead_letters),
    above("dead_letters"),
  ],
  [
    "stuck",
    "Stuck orders",
    "wait too long for a service",
    (totals) => count(totals.stuck_orders),
    above("stuck_orders"),
  ],
];

function above(name) {
  return (totals) => (totals[name] > 0 ? " warning" : "");
}

class Tiles {
  constructor() {
    this.shown = TILES.map(([key, label, unit]) => {
      const value = h("dd", { class: "value" }, "–");
      const note = h("dd", { class: "unit" }, unit);
      return {
        value,
        note,
        unit,
        element: h("div", { class: "tile", "data-tile": key }, h("dt", {}, label), value, note),
      };
    });
    this.element = h(
      "dl",
      { class: "tiles" },
      this.shown.map((tile) => tile.element),
    );
  }

  update({ totals, flow }) {
    TILES.forEach(([key, , , text, warned], index) => {
      const { element, value, note, unit } = this.shown[index];
      setText(value, text(totals));
      setClass(element, `tile${warned(totals)}`);
      if (key === "outbox") setText(note, oldest(flow) ?? unit);
    });
  }
}

function oldest(flow) {
  const seconds = Math.max(0, ...flow.services.map((service) => service.oldest_seconds ?? 0));
  return seconds >= 1 ? `oldest event waits for ${duration(seconds)}` : null;
}
