// The page: its frame, the way between its views, and what is said when the service is not there.

import { activityView } from "./activity.js";
import { conflictsView } from "./conflicts.js";
import { button, h, mark, put, say, show } from "./dom.js";
import { icon } from "./icons.js";
import { jobView } from "./jobform.js";
import { jobsView } from "./jobs.js";
import { begin, enterByName } from "./link.js";
import { tone } from "./looks.js";
import { problemsView } from "./problems.js";
import { applyTheme, settingsView } from "./settings.js";
import { live, onChange, state } from "./state.js";
import { language, speak, t } from "./texts.js";
import { wizardView } from "./wizard.js";

const PLACES = [
  ["jobs", "folder", "page.jobs", jobsView],
  ["activity", "activity", "page.activity", activityView],
  ["problems", "problem", "page.problems", problemsView],
  ["conflicts", "conflict", "page.conflicts", conflictsView],
  ["settings", "settings", "page.settings", settingsView],
];

let view = null;
let frame = null;

function build() {
  const links = PLACES.map(([name, picture, text]) => {
    const count = h("span.count", { hidden: true });
    return { name, count, element: h("a", { href: `#/${name}` }, icon(picture), h("span", {}, t(text)), count) };
  });
  const word = h("span", { role: "status", "aria-live": "polite" });
  const sign = h("span.dot-sign");
  const heading = h("h1", { tabindex: -1 });
  const back = h("a.button.bare.quiet", { hidden: true, "aria-label": t("button.back") }, icon("chevron-right", "turned"));
  const actions = h("div.row");
  const gone = h("div.gone", { role: "alert", hidden: true });
  const main = h("main", { id: "main" });
  put(
    document.body,
    h("a.skip", { href: "#main", onclick: (event) => (event.preventDefault(), heading.focus()) }, t("page.skip")),
    h(
      "header.side",
      {},
      h("div.brand", {}, h("img", { src: "logo.svg", alt: "", width: 28, height: 28 }), h("span", {}, "Homestow")),
      h("nav", { "aria-label": t("page.places") }, links.map((link) => link.element)),
      h("div.status", {}, sign, word),
    ),
    h("div.content", {}, gone, h("div.bar-top", {}, back, heading, h("span.grow"), actions), main),
  );
  frame = { links, word, sign, heading, back, actions, gone, main };
}

function go(event) {
  const [name, rest] = location.hash.replace(/^#\//, "").split("/");
  view?.end?.();
  if (name === "add") view = wizardView();
  else if (name === "job" && rest) view = jobView(decodeURIComponent(rest));
  else view = (PLACES.find(([each]) => each === name) ?? PLACES[0])[3]();
  put(frame.main, view.element);
  put(frame.actions, view.actions ?? []);
  say(frame.heading, view.title);
  show(frame.back, Boolean(view.back));
  if (view.back) frame.back.href = view.back;
  document.title = `${view.title} – Homestow`;
  for (const { name: each, element } of frame.links) {
    const here = each === (name || "jobs") || (each === "jobs" && ["add", "job"].includes(name));
    if (here) element.setAttribute("aria-current", "page");
    else element.removeAttribute("aria-current");
  }
  window.scrollTo(0, 0);
  if (event) frame.heading.focus(); // a new view is read from its beginning
  view.begin?.();
  draw();
}

function draw() {
  const jobs = [...state.jobs.values()];
  const counts = { problems: sum(jobs, "problems"), conflicts: sum(jobs, "conflicts") };
  for (const { name, count } of frame.links) {
    if (!(name in counts)) continue;
    say(count, String(counts[name]));
    show(count, counts[name] > 0);
  }
  say(frame.word, state.connected ? t(`general.${state.general}`) : t(state.connected === null ? "page.connecting" : "page.gone"));
  mark(frame.sign, "data-tone", state.connected ? tone(state.general)[0] : "idle");
  drawGone();
  view?.draw?.();
}

const sum = (jobs, name) => jobs.reduce((all, job) => all + job[name], 0);

function drawGone() {
  const [title, about] = state.refused
    ? [t("page.login-title"), t("page.login-about")]
    : state.ended
      ? [t("page.ended"), t("page.ended-about")]
      : state.connected === false
        ? [t("page.gone"), t("page.gone-about")]
        : ["", ""];
  show(frame.gone, title !== "");
  if (frame.gone.dataset.of === title) return;
  frame.gone.dataset.of = title;
  const enter = async () => {
    if (await enterByName()) location.reload();
  };
  put(
    frame.gone,
    icon(state.refused ? "key" : "offline", "large"),
    h("div.grow", {}, h("h2", {}, title), h("p", {}, about)),
    state.refused ? button("key", t("page.login-by-name"), enter) : null,
  );
}

async function start() {
  applyTheme();
  const known = await begin();
  await speak("");
  build();
  state.refused = !known;
  window.addEventListener("hashchange", go);
  onChange(draw);
  onChange(() => {
    const wanted = state.settings?.language;
    if (wanted && wanted !== language) respeak(wanted);
  });
  go();
  if (known) live();
}

let speaking = false;

async function respeak(wanted) {
  if (speaking) return;
  speaking = true;
  await speak(wanted);
  build();
  go();
  speaking = false;
}

start();
