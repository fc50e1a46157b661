// The log lines of a trace, and those that follow; without a trace, the last warnings and errors.

import { get, poll } from "./api.js";
import { h, setText, show } from "./dom.js";
import { clock, count } from "./format.js";

const MOST_LINES = 1000;

export function open(container, trace = "") {
  const input = h("input", {
    id: "trace",
    class: "wide",
    pattern: "[0-9a-fA-F]{32}",
    maxlength: 32,
    autocomplete: "off",
    spellcheck: "false",
    placeholder: "32 hexadecimal digits",
    value: trace,
  });
  const form = h(
    "form",
    {
      class: "ask",
      onsubmit: (event) => {
        event.preventDefault();
        location.hash = input.value ? `#/logs?trace=${input.value.toLowerCase()}` : "#/logs";
      },
    },
    h("label", { for: "trace" }, "Trace id"),
    input,
    h("button", { type: "submit", class: "primary" }, "Follow"),
    trace ? h("a", { href: "#/logs" }, "All warnings and errors") : null,
  );
  const list = h("ol", { class: "lines", "aria-label": "Log lines" });
  const note = h("p", { class: "empty", role: "status" }, "Searching the logs …");
  const title = trace ? "Lines of this trace, oldest first" : "The last warnings and errors, oldest first";
  show(
    container,
    h("h1", {}, "Logs"),
    h(
      "p",
      { class: "quiet" },
      "A trace is one request and all that follows from it, in every service. An order’s trail names its traces.",
    ),
    form,
    h("section", { class: "card", "aria-labelledby": "lines" }, h("h2", { id: "lines" }, title), note, list),
  );
  let position = "";
  const stop = poll(
    async (signal) => {
      const found = await get("/api/logs", { trace_id: trace, after: position }, signal);
      position = found.position;
      const atEnd = scrollY + innerHeight >= document.documentElement.scrollHeight - 40;
      const isFirst = list.childElementCount === 0;
      list.append(...found.lines.map(line));
      while (list.childElementCount > MOST_LINES) list.firstElementChild.remove();
      setText(note, words(list.childElementCount, found.left_out, trace));
      if (!isFirst && found.lines.length && atEnd) scrollTo(0, document.documentElement.scrollHeight);
    },
    (problem) => setText(note, problem),
  );
  return { update() {}, close: stop };
}

function words(lines, leftOut, trace) {
  if (leftOut) return `${count(leftOut)} earlier lines are left out.`;
  if (lines) return `${count(lines)} ${lines === 1 ? "line" : "lines"}. New ones are added as they are written.`;
  return trace
    ? "No line has this trace id. It may be older than the logs; new lines are added as they are written."
    : "No warnings and no errors in the ends of the logs.";
}

function line(entry) {
  const level = ["warning", "error", "critical"].includes(entry.level) ? entry.level : "info";
  return h(
    "li",
    { class: `line ${level}` },
    h("time", { datetime: entry.at, title: entry.at }, clock(entry.at, true)),
    h("span", { class: `service ${entry.service}` }, entry.service),
    level === "info" ? null : h("span", { class: "pill warning" }, entry.level),
    h("span", { class: "event" }, entry.event),
    h("span", { class: "fields" }, entry.fields),
  );
}
