// The flow of events: services on the left write topics, services on the right read them.

import { h, setClass, setText, show, svg } from "./dom.js";
import { count, duration, rate, words } from "./format.js";

const WIDTH = 1000;
const BOX = { writer: { x: 0, width: 200 }, topic: { x: 390, width: 220 }, reader: { x: 800, width: 200 } };
const ROW = 62;
const HEIGHT = 46;

export class Flow {
  constructor() {
    this.drawing = h("div", { class: "drawing" });
    this.rows = h("tbody");
    this.table = h(
      "table",
      {},
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          h("th", { scope: "col" }, "Topic"),
          h("th", { scope: "col", class: "number" }, "Events/s"),
          h("th", { scope: "col" }, "Published by"),
          h("th", { scope: "col" }, "Consumed by (lag)"),
        ),
      ),
      this.rows,
    );
    this.element = h(
      "section",
      { class: "card flow", "aria-labelledby": "flow" },
      h("h2", { id: "flow" }, "Flow of events"),
      h(
        "p",
        { class: "quiet" },
        "Services publish to topics from their outbox, and consume from topics. Rates are of the last 10 seconds.",
      ),
      this.drawing,
      h("details", {}, h("summary", {}, "The same as a table"), h("div", { class: "scroll" }, this.table)),
    );
    this.picture = null;
    const narrow = matchMedia("(max-width: 760px)");
    this.element.querySelector("details").open = narrow.matches;
  }

  update({ flow, parts }) {
    this.picture ??= this.draw(flow);
    const levels = new Map(parts.map((part) => [part.name, part.level]));
    this.picture(flow, levels);
    show(this.rows, flow.topics.map(row));
  }

  // Draws once, and returns what sets the figures.
  draw(flow) {
    const height = flow.topics.length * ROW;
    const writers = flow.services
      .map((each) => each.name)
      .filter((name) => flow.topics.some((topic) => writes(topic, name)));
    const readers = flow.services
      .map((each) => each.name)
      .filter((name) => flow.topics.some((topic) => reads(topic, name)));
    const middle = (index, all) => (height / all) * (index + 0.5);
    const places = {
      writer: new Map(writers.map((name, index) => [name, middle(index, writers.length)])),
      reader: new Map(readers.map((name, index) => [name, middle(index, readers.length)])),
      topic: new Map(flow.topics.map((topic, index) => [topic.name, middle(index, flow.topics.length)])),
    };
    const edges = flow.topics.flatMap((topic) => [
      ...topic.writers.map((each) => edge("writer", each.service, topic.name, places)),
      ...topic.readers.map((each) => edge("reader", each.service, topic.name, places)),
    ]);
    const boxes = [
      ...writers.map((name) => box("writer", name, places.writer.get(name))),
      ...flow.topics.map((topic) => box("topic", topic.name, places.topic.get(topic.name))),
      ...readers.map((name) => box("reader", name, places.reader.get(name))),
    ];
    const root = svg(
      "svg",
      {
        viewBox: `0 0 ${WIDTH} ${height}`,
        role: "img",
        "aria-label": "Services and topics; the table below has the same figures",
      },
      edges.map((each) => each.path),
      boxes.map((each) => each.element),
      edges.map((each) => each.label),
    );
    for (const each of boxes) highlights(root, each, edges);
    show(this.drawing, root);
    return (now, levels) => {
      edges.forEach((each) => each.set(now));
      boxes.forEach((each) => each.set(now, levels));
    };
  }
}

const writes = (topic, name) => topic.writers.some((each) => each.service === name);
const reads = (topic, name) => topic.readers.some((each) => each.service === name);

function edge(side, service, topic, places) {
  const from = side === "writer" ? BOX.writer.x + BOX.writer.width : BOX.topic.x + BOX.topic.width;
  const to = side === "writer" ? BOX.topic.x : BOX.reader.x;
  const [y1, y2] =
    side === "writer"
      ? [places.writer.get(service), places.topic.get(topic)]
      : [places.topic.get(topic), places.reader.get(service)];
  const bend = (to - from) / 2;
  const path = svg("path", { d: `M${from} ${y1}C${from + bend} ${y1} ${to - bend} ${y2} ${to} ${y2}` });
  const title = svg("title");
  path.append(title);
  const label = svg("text", {
    class: "lag",
    x: from + (to - from) * 0.3,
    y: y1 + (y2 - y1) * 0.216 - 5,
    "text-anchor": "middle",
  });
  return {
    path,
    label,
    service,
    topic,
    side,
    set({ topics }) {
      const its = topics.find((each) => each.name === topic);
      const own = (side === "writer" ? its.writers : its.readers).find((each) => each.service === service);
      const flows = own.per_second > 0;
      const colour = side === "writer" ? service : its.writers[0].service;
      setClass(path, `edge ${colour}${flows ? " flows" : ""}${own.lag > 0 ? " lags" : ""}`);
      path.style.strokeWidth = flows ? Math.min(9, 1.8 + 2 * Math.log10(1 + own.per_second)) : 1.2;
      const what = `${rate(own.per_second)} events/s`;
      setText(
        title,
        side === "writer"
          ? `${service} publishes ${what} to ${topic}`
          : `${service} consumes ${what} from ${topic}, lag ${count(own.lag)}`,
      );
      setText(label, own.lag > 0 ? `lag ${count(own.lag)}` : "");
    },
  };
}

function box(side, name, y) {
  const { x, width } = BOX[side];
  const figures = svg("text", { class: "figures", x: x + 14, y: y + 15 });
  const title = svg("text", { class: "name", x: x + 14, y: y - 3 }, side === "topic" ? name : words(name));
  const frame = svg("rect", {
    x: x + 1,
    y: y - HEIGHT / 2,
    width: width - 2,
    height: HEIGHT,
    rx: side === "topic" ? 23 : 7,
  });
  const stripe =
    side === "topic"
      ? null
      : svg("rect", {
          class: "stripe",
          x: side === "writer" ? x + width - 6 : x + 1,
          y: y - HEIGHT / 2 + 7,
          width: 5,
          height: HEIGHT - 14,
          rx: 2,
        });
  if (side === "topic")
    for (const each of [figures, title]) {
      each.setAttribute("x", x + width / 2);
      each.setAttribute("text-anchor", "middle");
    }
  const element = svg("g", { class: "box" }, frame, stripe, title, figures);
  return {
    element,
    side,
    name,
    set(now, levels) {
      const [text, warned] = SIDES[side](now, name);
      setText(figures, text);
      const isDown = side !== "topic" && levels.get(name) === "down";
      setClass(element, `box ${side} ${name}${isDown ? " down" : ""}${warned ? " warning" : ""}`);
    },
  };
}

const SIDES = {
  writer({ services, topics }, name) {
    const own = services.find((each) => each.name === name);
    const published = sum(
      topics
        .flatMap((topic) => topic.writers)
        .filter((each) => each.service === name)
        .map((each) => each.per_second),
    );
    const waits = own.oldest_seconds >= 1 ? `, oldest ${duration(own.oldest_seconds)}` : "";
    return [`outbox ${count(own.outbox)}${waits || ` · ${rate(published)}/s`}`, own.oldest_seconds >= 5];
  },
  topic({ topics }, name) {
    return [`${rate(topics.find((each) => each.name === name).per_second)}/s`, false];
  },
  reader({ services, topics }, name) {
    const own = topics.flatMap((topic) => topic.readers).filter((each) => each.service === name);
    const lag = sum(own.map((each) => each.lag));
    const retries = services.find((each) => each.name === name).retries;
    const consumed = rate(sum(own.map((each) => each.per_second)));
    return [`lag ${count(lag)} · ${consumed}/s${retries ? ` · ${count(retries)} retried` : ""}`, retries > 0];
  },
};

function sum(numbers) {
  const known = numbers.filter((number) => number !== null && number !== undefined);
  return known.length ? known.reduce((total, number) => total + number, 0) : null;
}

// The edges of a box stand out while the pointer is on it.
function highlights(root, { element, side, name }, edges) {
  const belongs = (each) => (side === "topic" ? each.topic === name : each.side === side && each.service === name);
  element.addEventListener("pointerenter", () => {
    root.classList.add("chosen");
    for (const each of edges) each.path.classList.toggle("chosen", belongs(each));
  });
  element.addEventListener("pointerleave", () => {
    root.classList.remove("chosen");
    for (const each of edges) each.path.classList.remove("chosen");
  });
}

function row(topic) {
  const readers = topic.readers.map((each) => `${each.service} (${count(each.lag)})`).join(", ");
  return h(
    "tr",
    {},
    h("th", { scope: "row" }, topic.name),
    h("td", { class: "number" }, rate(topic.per_second)),
    h("td", {}, topic.writers.map((each) => each.service).join(", ")),
    h("td", {}, readers),
  );
}
