// What happened lately, newest first.

import { attempt } from "./dialogs.js";
import { button, h, put, show } from "./dom.js";
import { icon } from "./icons.js";
import { order } from "./link.js";
import { kindLook, labelOf, tone } from "./looks.js";
import { shareDialog } from "./share.js";
import { changed, state } from "./state.js";
import { has, size, t, told, when } from "./texts.js";

const PAGE = 100;
const MOST_ROWS = 300; // more are taken away at the end; "older" brings them back
const MOST_AT_ONCE = 50; // when more came since the last frame, the list begins anew with the newest
const KIND_TEXTS = { "": "page.kind-all", files: "page.kind-files", trouble: "page.kind-trouble", states: "page.kind-states" };
const KINDS = { "": [], files: ["upload", "download", "mkdir", "move", "delete"], trouble: ["conflict", "settled", "problem"], states: ["state", "pause", "resume"] };

export function activityView() {
  const list = h("ol.events", { "aria-label": t("page.activity") });
  const empty = h("p.empty", { hidden: true }, t("page.activity-none"));
  const older = button("", t("page.older"), () => attempt(more), { hidden: true });
  const job = h("select", { "aria-label": t("page.of-job"), onchange: () => attempt(anew) });
  const kind = h(
    "select",
    { "aria-label": t("page.of-kind"), onchange: () => attempt(anew) },
    Object.keys(KINDS).map((each) => h("option", { value: each }, t(KIND_TEXTS[each]))),
  );
  let newest = 0;
  let oldest = null;
  let jobs = "";

  const fits = (event) => (!job.value || event.job === job.value) && (!kind.value || KINDS[kind.value].includes(event.kind));

  async function load(before) {
    return order("log", { job: job.value || null, before, limit: PAGE, kinds: KINDS[kind.value] });
  }
  async function anew() {
    const events = await load(null);
    newest = events[0]?.id ?? 0;
    put(list, events.map(row));
    after(events);
    changed(); // what was heard while this was on its way
  }
  async function more() {
    const events = await load(oldest);
    list.append(...events.map(row));
    after(events);
  }
  function after(events) {
    oldest = events.at(-1)?.id ?? oldest;
    show(older, events.length === PAGE);
    show(empty, list.childElementCount === 0);
  }
  function drawJobs() {
    const pairs = [["", t("page.all-jobs")], ...[...state.jobs.values()].map((each) => [each.config.id, labelOf(each.config)])];
    const wanted = JSON.stringify(pairs);
    if (wanted === jobs) return;
    jobs = wanted;
    const chosen = job.value;
    put(job, pairs.map(([value, text]) => h("option", { value, selected: value === chosen }, text)));
  }
  return {
    title: t("page.activity"),
    actions: [job, kind],
    element: h("div", {}, list, empty, h("div.row.center", {}, older)),
    begin: () => attempt(anew),
    draw() {
      drawJobs();
      const fresh = state.events.filter((event) => event.id > newest);
      if (!fresh.length) return;
      newest = fresh[0].id;
      const fitting = fresh.filter(fits);
      if (!fitting.length) return;
      if (fitting.length > MOST_AT_ONCE) put(list, fitting.slice(0, MOST_AT_ONCE).map(row));
      else list.prepend(...fitting.map(row));
      while (list.childElementCount > MOST_ROWS) list.lastElementChild.remove();
      if (fitting.length > MOST_AT_ONCE || list.childElementCount === MOST_ROWS) {
        oldest = Number(list.lastElementChild.dataset.id);
        show(older, true);
      }
      show(empty, false);
    },
  };
}

export function row(event) {
  const [color, picture] = event.kind === "state" ? tone(event.code) : kindLook(event.kind);
  const config = state.jobs.get(event.job)?.config;
  const share = event.path && config && ["upload", "download"].includes(event.kind);
  return h(
    "li.event",
    { "data-tone": color, "data-id": event.id },
    h("div.sign", {}, icon(picture)),
    h("div.grow", {}, h("p.what", {}, ...sentence(event)), h("p.detail", {}, detail(event, config))),
    share ? button("share", "", () => shareDialog(event.job, event.path), { kind: "quiet", label: t("page.share-file", { file: event.path }) }) : null,
    h("time", { datetime: new Date(event.at_ns / 1e6).toISOString() }, when(event.at_ns)),
  );
}

function sentence(event) {
  const kind = t(`kind.${event.kind}`);
  if (event.kind === "state" && has(`state.${event.code}`)) return [t(`state.${event.code}`)];
  if (!event.path) return [event.code ? told(event.code, event.message).what : event.message || kind];
  const parts = [h("span.kind", {}, kind), " ", h("span.path", {}, event.path)];
  if (event.to && event.kind === "move") parts.push(icon("move", "small"), h("span.path", {}, event.to));
  return parts;
}

function detail(event, config) {
  const parts = [config ? labelOf(config) : event.job];
  if (event.side) parts.push(t(event.side === "here" ? "page.side-here" : "page.side-there"));
  if (event.size) parts.push(size(event.size));
  if (event.path && (event.code || event.message) && event.kind !== "settled") parts.push(told(event.code, event.message, { path: event.path }).what);
  return parts.join(" · ");
}
