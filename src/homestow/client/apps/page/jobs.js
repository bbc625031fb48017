// The folders that are kept in step, each with its state, progress and orders.

import { ask, attempt, sorry } from "./dialogs.js";
import { button, h, mark, put, Rows, say, show } from "./dom.js";
import { icon } from "./icons.js";
import { order } from "./link.js";
import { BUSY, hostOf, labelOf, tone } from "./looks.js";
import { shareDialog } from "./share.js";
import { putJobs, putOne, state } from "./state.js";
import { left, rate, size, t, told, when } from "./texts.js";

export function jobsView() {
  const list = h("div.cards");
  const rows = new Rows(list, card);
  const empty = h(
    "div.empty",
    { hidden: true },
    icon("folder-open", "large"),
    h("h2", {}, t("page.jobs-none")),
    h("p", {}, t("page.jobs-none-about")),
    h("a.button.primary", { href: "#/add" }, icon("plus"), h("span", {}, t("page.add"))),
  );
  const overview = overall();
  return {
    title: t("page.jobs"),
    actions: [h("a.button.primary", { href: "#/add" }, icon("plus"), h("span", {}, t("page.add")))],
    element: h("div", {}, overview.element, list, empty),
    draw() {
      overview.draw();
      rows.show(state.jobs);
      show(empty, state.connected === true && state.jobs.size === 0);
    },
  };
}

// All jobs together, in one line with what can be done to all.
function overall() {
  const sign = h("div.sign");
  const word = h("p.word");
  const detail = h("p.detail");
  const all = (name) => () => attempt(async () => putJobs(await order(name)));
  const pause = button("pause", t("page.pause-all"), all("pause"));
  const resume = button("play", t("page.resume-all"), all("start"));
  const element = h("section.overall", { "aria-label": t("page.overall") }, sign, h("div.grow", {}, word, detail), h("div.row", {}, pause, resume));
  let shown = "";
  return {
    element,
    draw() {
      const jobs = [...state.jobs.values()].filter((job) => job.state !== "off");
      show(element, jobs.length > 0);
      const [color, picture] = tone(state.general);
      if (shown !== state.general) {
        put(sign, icon(picture, "large"));
        mark(element, "data-tone", color);
        shown = state.general;
      }
      say(word, t(`general.${state.general}`));
      say(detail, state.general === "syncing" ? howFar(state.progress) : t("page.jobs-count", { n: jobs.length }));
      show(pause, jobs.some((job) => !job.paused));
      show(resume, jobs.some((job) => job.paused));
    },
  };
}

export function howFar(progress) {
  if (!progress || !progress.files_total) return progress?.scanned ? t("page.scanned", { n: progress.scanned }) : "";
  const parts = [t("page.files-of", { done: progress.files_done, n: progress.files_total })];
  if (progress.bytes_total) parts.push(t("page.bytes-of", { done: size(progress.bytes_done), total: size(progress.bytes_total) }));
  if (progress.rate > 0) parts.push(rate(progress.rate));
  if (progress.left_s !== null) parts.push(t("page.left", { time: left(progress.left_s) }));
  return parts.join(" · ");
}

export function fraction(progress) {
  if (progress.bytes_total) return Math.min(1, progress.bytes_done / progress.bytes_total);
  return progress.files_total ? Math.min(1, progress.files_done / progress.files_total) : null;
}

function bar(name) {
  const filled = h("div.filled");
  const element = h("div.bar", { role: "progressbar", "aria-label": name, "aria-valuemin": 0, "aria-valuemax": 100 }, filled);
  return {
    element,
    set(part) {
      element.classList.toggle("unsure", part === null);
      if (part === null) element.removeAttribute("aria-valuenow");
      else {
        mark(element, "aria-valuenow", String(Math.floor(part * 100)));
        filled.style.transform = `scaleX(${part.toFixed(4)})`;
      }
    },
  };
}

function card(first) {
  const id = first.config.id;
  const steer = (name) => () => attempt(async () => putJobs(await order(name, { job: id })), { server: hostOf(first.config.server) });
  const name = h("h2");
  const sign = h("div.sign");
  const word = h("p.word");
  const place = h("p.place");
  const progress = bar("");
  const far = h("p.far");
  const current = h("p.current");
  const going = h("div.going", {}, progress.element, h("div.row.apart", {}, far, current));
  const trouble = h("div.trouble");
  const chips = h("div.chips");
  const orders = {
    pause: button("pause", t("page.pause"), steer("pause")),
    resume: button("play", t("page.resume"), steer("start")),
    now: button("reload", t("page.sync-now"), steer("start")),
    reload: button("reload", "", steer("reload"), { kind: "quiet" }),
    share: button("share", "", () => shareDialog(id), { kind: "quiet" }),
    edit: h("a.button.bare.quiet", { href: `#/job/${encodeURIComponent(id)}` }, icon("settings")),
  };
  const element = h(
    "article.card",
    {},
    h("header", {}, sign, h("div.grow", {}, name, word), h("div.row", {}, Object.values(orders))),
    place,
    going,
    trouble,
    chips,
  );
  let before = null;
  function update(job) {
    if (job === before) return;
    if (!before || job.config !== before.config) drawConfig(job.config);
    drawProgress(job);
    if (!before || job.state !== before.state) drawState(job);
    drawOrders(job);
    if (!before || ["state", "code", "why", "brake"].some((each) => job[each] !== before[each])) put(trouble, troubleOf(job));
    drawChips(job);
    before = job;
  }
  function drawOrders(job) {
    const turns = [orders.pause, orders.resume, orders.now];
    const focused = turns.includes(document.activeElement);
    show(orders.now, job.state === "scheduled");
    show(orders.pause, !job.paused && job.state !== "off" && job.state !== "scheduled");
    show(orders.resume, job.paused);
    show(orders.reload, job.state !== "off");
    // The button that was pressed may be gone; whoever works by keyboard goes on from the one in its place.
    if (focused && !turns.includes(document.activeElement)) turns.find((each) => !each.hidden)?.focus();
  }
  function drawConfig(config) {
    const label = labelOf(config);
    say(name, label);
    put(place, h("span.path", {}, config.directory), arrow(config.direction), h("span.path", {}, remoteOf(config)));
    mark(progress.element, "aria-label", t("page.progress-of", { name: label }));
    const labels = { pause: "page.pause-one", resume: "page.resume-one", now: "page.sync-now-one", reload: "page.reload-one", share: "page.share-one", edit: "page.edit-one" };
    for (const [key, text] of Object.entries(labels)) {
      mark(orders[key], "aria-label", t(text, { name: label }));
      mark(orders[key], "title", t(text, { name: label }));
    }
  }
  function drawState(job) {
    const [color, picture] = tone(job.state);
    mark(element, "data-tone", color);
    put(sign, icon(picture, BUSY.includes(job.state) && picture === "reload" ? "turning" : ""));
    say(word, t(`state.${job.state}`));
  }
  function drawProgress(job) {
    const busy = BUSY.includes(job.state) || (job.paused && job.progress.files_total > 0);
    show(going, busy);
    if (!busy) return;
    progress.set(fraction(job.progress));
    say(far, howFar(job.progress));
    say(current, job.progress.current);
    mark(current, "title", job.progress.current);
  }
  function drawChips(job) {
    const wanted = [job.problems, job.conflicts, job.synced_at_ns, job.next_at_ns].join();
    if (chips.dataset.of === wanted) return;
    chips.dataset.of = wanted;
    put(
      chips,
      job.problems ? h("a.chip.warn", { href: "#/problems" }, icon("problem", "small"), t("page.problems-count", { n: job.problems })) : null,
      job.conflicts ? h("a.chip.warn", { href: "#/conflicts" }, icon("conflict", "small"), t("page.conflicts-count", { n: job.conflicts })) : null,
      job.next_at_ns !== null ? h("span.chip", {}, icon("clock", "small"), t("page.next-at", { time: when(job.next_at_ns) })) : null,
      job.synced_at_ns !== null ? h("span.chip", {}, icon("check", "small"), t("page.synced-at", { time: when(job.synced_at_ns) })) : null,
    );
    show(chips, chips.childElementCount > 0);
  }
  update(first);
  return { element, update };
}

const arrow = (direction) => (direction === "bi" ? icon("both", "small") : icon("move", direction === "down" ? "small turned" : "small"));

export function remoteOf(config) {
  const root = config.workspace || config.user;
  const place = config.remote_folder ? `${root}/${config.remote_folder.replace(/^\/+/, "")}` : root;
  return t("page.place-on", { place, server: hostOf(config.server) });
}

const BRAKE = { here: "page.brake-here", there: "page.brake-there" };
const BRAKE_SURE = { here: "page.brake-sure-here", there: "page.brake-sure-there" };

// What a job waits for or asks, and what can be done about it.
function troubleOf(job) {
  const { config, brake } = job;
  if (brake) {
    const label = labelOf(config);
    const sure = () =>
      ask(t("page.brake-title", { name: label }), t(BRAKE_SURE[brake.side], { n: brake.files }), t("page.brake-delete"), async () => putOne(await order("accept-deletes", { job: config.id })), { danger: true });
    return h(
      "div.banner.warn",
      { role: "group", "aria-label": t("page.brake-title", { name: label }) },
      icon("question"),
      h("div.grow", {}, h("p.what", {}, t(BRAKE[brake.side], { n: brake.files, of: brake.of })), h("p", {}, t("page.brake-todo"))),
      h("div.row", {}, button("", t("page.brake-delete"), sure, { kind: "danger" })),
    );
  }
  if (!["waiting", "failed"].includes(job.state) || !(job.code || job.why)) return null;
  const banner = sorry({ code: job.code, message: job.why }, { server: hostOf(config.server) });
  if (job.state === "waiting") banner.classList.replace("bad", "warn");
  if (["login-needed", "login-failed"].includes(job.code))
    banner.append(h("a.button", { href: `#/job/${encodeURIComponent(config.id)}` }, t("page.login-again")));
  else if (job.state === "failed")
    banner.append(button("", t("button.retry"), () => attempt(async () => putJobs(await order("start", { job: config.id })))));
  return banner;
}
