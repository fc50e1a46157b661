// The frame: which page is shown, and the state of the shop, polled on every page.

import { get, poll } from "./api.js";
import { h, setText, show } from "./dom.js";
import { History } from "./history.js";
import * as logs from "./logs.js";
import * as orders from "./orders.js";
import * as overview from "./overview.js";
import * as trail from "./trail.js";

const TITLE = "Console – Online Mart";
const history = new History();
let state = { latest: null, history };
let page = null;

// `#/orders/100001` and `#/logs?trace=…`, the most particular first.
const PAGES = [
  [/^\/orders\/(\d+)$/, trail, "orders"],
  [/^\/orders$/, orders, "orders"],
  [/^\/logs(?:\?trace=([0-9a-f]{0,32}))?$/, logs, "logs"],
  [/^\/?$/, overview, "overview"],
];

function open() {
  const path = location.hash.slice(1);
  const [pattern, module, name] = PAGES.find(([each]) => each.test(path)) ?? PAGES.at(-1);
  page?.close();
  const container = document.getElementById("page");
  show(container);
  page = module.open(container, ...(path.match(pattern) ?? []).slice(1));
  page.update(state);
  for (const link of document.querySelectorAll("#nav a")) {
    if (link.dataset.page === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

function banner(text) {
  const element = document.getElementById("banner");
  element.hidden = !text;
  setText(element, text || "");
  document.body.classList.toggle("stale", Boolean(text));
}

async function refresh(signal) {
  const found = await get("/api/state", { after: history.last }, signal);
  history.add(found.columns, found.rows);
  state = { latest: found.latest, history };
  banner(found.problem);
  titled(found.latest);
  linked(found.latest);
  page?.update(state);
}

function titled(latest) {
  const down = (latest?.parts ?? []).filter((part) => part.level === "down").length;
  document.title = down ? `${down} down – ${TITLE}` : TITLE;
}

function linked(latest) {
  const list = document.getElementById("links");
  if (!latest || list.childElementCount) return;
  const withPages = latest.parts.filter((part) => part.url);
  show(
    list,
    withPages.map((part) => h("li", {}, h("a", { href: part.url, rel: "noopener" }, part.title))),
  );
}

addEventListener("hashchange", () => {
  open();
  document.getElementById("main").focus({ preventScroll: true });
  scrollTo(0, 0);
});
open();
poll(refresh, banner);
