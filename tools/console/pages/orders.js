// The last orders; each number opens the order's trail.

import { get, poll } from "./api.js";
import { h, setText, show } from "./dom.js";
import { count, dayAndClock, money, words } from "./format.js";

export function open(container) {
  const rows = h("tbody");
  const note = h("p", { class: "empty", role: "status" }, "Loading …");
  const number = h("input", {
    id: "number",
    inputmode: "numeric",
    pattern: "[0-9]{1,18}",
    required: true,
    autocomplete: "off",
    placeholder: "100001",
  });
  const form = h(
    "form",
    {
      class: "ask",
      onsubmit: (event) => {
        event.preventDefault();
        location.hash = `#/orders/${number.value.trim()}`;
      },
    },
    h("label", { for: "number" }, "Order number"),
    number,
    h("button", { type: "submit", class: "primary" }, "Show its trail"),
  );
  const table = h(
    "table",
    { class: "orders" },
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        h("th", { scope: "col" }, "Order"),
        h("th", { scope: "col" }, "Placed"),
        h("th", { scope: "col" }, "State"),
        h("th", { scope: "col" }, "Parcels"),
        h("th", { scope: "col", class: "number" }, "Pieces"),
        h("th", { scope: "col", class: "number" }, "Total"),
      ),
    ),
    rows,
  );
  show(
    container,
    h("h1", {}, "Orders"),
    form,
    h(
      "section",
      { class: "card", "aria-labelledby": "last" },
      h("h2", { id: "last" }, "The last orders"),
      note,
      h("div", { class: "scroll" }, table),
    ),
  );
  const stop = poll(
    async (signal) => {
      const orders = await get("/api/orders", {}, signal);
      setText(
        note,
        orders.length
          ? ""
          : "There are no orders yet. “make up” places some, and so does the API’s page of the order service.",
      );
      note.hidden = orders.length > 0;
      table.hidden = orders.length === 0;
      keepFocus(rows, () => show(rows, orders.map(row)));
    },
    (problem) => {
      note.hidden = false;
      setText(note, problem);
    },
  );
  return { update() {}, close: stop };
}

function row(order) {
  const stuck = order.stuck_reason ? h("span", { class: "pill warning" }, `stuck: ${words(order.stuck_reason)}`) : null;
  return h(
    "tr",
    {},
    h("th", { scope: "row" }, h("a", { href: `#/orders/${order.number}` }, order.number)),
    h("td", {}, h("time", { datetime: order.created_at, title: order.created_at }, dayAndClock(order.created_at))),
    h("td", {}, h("span", { class: `pill ${order.status}` }, words(order.status)), " ", stuck),
    h("td", {}, words(order.fulfilment_status)),
    h("td", { class: "number" }, count(order.pieces)),
    h("td", { class: "number" }, money(order.total, order.currency)),
  );
}

// The rows are made anew every two seconds; the focused link stays focused.
function keepFocus(parent, change) {
  const href = parent.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  change();
  if (href) parent.querySelector(`a[href="${CSS.escape(href)}"]`)?.focus();
}
