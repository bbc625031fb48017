// Items that are not in step, why, and what to do.

import { attempt } from "./dialogs.js";
import { button, h, Rows, show } from "./dom.js";
import { icon } from "./icons.js";
import { order } from "./link.js";
import { hostOf, labelOf } from "./looks.js";
import { putJobs, state } from "./state.js";
import { t, told } from "./texts.js";

export function problemsView() {
  const list = h("ul.problems", { "aria-label": t("page.problems") });
  const told_ = h("ul.problems", { "aria-label": t("page.problems-told") });
  const toldPart = h("section", { hidden: true }, h("h2", {}, t("page.problems-told")), h("p.hint", {}, t("page.problems-told-about")), told_);
  const none = h("div.empty", { hidden: true }, icon("check", "large"), h("h2", {}, t("page.problems-none")), h("p", {}, t("page.problems-none-about")));
  const rows = new Rows(list, row);
  const others = new Rows(told_, row);
  let seen = null;

  async function load() {
    const problems = await order("problems");
    const keyed = (left) => new Map(problems.filter((each) => each.left === left).map((each) => [`${each.job}\n${each.path}\n${each.code}`, each]));
    rows.show(keyed(true));
    others.show(keyed(false));
    show(none, !problems.some((each) => each.left));
    show(toldPart, problems.some((each) => !each.left));
  }
  const again = () => attempt(async () => putJobs(await order("reload")));
  return {
    title: t("page.problems"),
    actions: [button("reload", t("page.look-again"), again)],
    element: h("div", {}, list, none, toldPart),
    draw() {
      // The list is asked for when a job says that it is another one.
      const now = [...state.jobs.values()].map((job) => `${job.config.id} ${job.problems} ${job.state}`).join("\n");
      if (now === seen) return;
      seen = now;
      attempt(load);
    },
  };
}

function row(problem) {
  const config = state.jobs.get(problem.job)?.config;
  const { what, todo, detail } = told(problem.code, problem.message, { path: problem.path, server: config ? hostOf(config.server) : "" });
  const element = h(
    "li.card.problem",
    { "data-tone": problem.left ? "warn" : "idle" },
    h("div.sign", {}, icon(problem.left ? "problem" : "info")),
    h("div.grow", {}, h("p.what", {}, what), todo ? h("p", {}, todo) : null, detail ? h("p.hint", {}, detail) : null, h("p.detail", {}, `${config ? labelOf(config) : problem.job} · ${problem.path}`)),
  );
  return { element };
}
