// One job's settings: change, log in again, switch off, remove.

import { ask, attempt, note, sorry } from "./dialogs.js";
import { button, choice, field, h, put } from "./dom.js";
import { icon } from "./icons.js";
import { order } from "./link.js";
import { hostOf, labelOf } from "./looks.js";
import { options } from "./options.js";
import { remoteOf } from "./jobs.js";
import { putOne, state } from "./state.js";
import { t } from "./texts.js";

export function jobView(id) {
  const body = h("div");
  let shown = false;
  return {
    title: t("page.job-settings"),
    back: "#/jobs",
    element: body,
    draw() {
      const job = state.jobs.get(id);
      if (shown || !state.connected) return;
      shown = true;
      put(body, job ? form(job) : h("p.empty", {}, t("page.job-gone")));
    },
  };
}

function form(job) {
  const { config } = job;
  const fields = options(config);
  const active = choice(t("page.job-active"), config.active, t("page.job-active-about"));
  const password = h("input", { type: "password", autocomplete: "current-password", maxlength: 1024 });
  const timeout = h("input", { type: "number", min: 1, max: 3600, value: String(config.timeout) });
  const pool = h("input", { type: "number", min: 1, max: 16, value: String(config.poolsize) });
  const trouble = h("div", { role: "alert" });
  const save = button("check", t("page.save"), null, { kind: "primary", type: "submit" });
  async function submit(event) {
    event.preventDefault();
    save.disabled = true;
    put(trouble);
    try {
      const changed = { ...config, ...fields.read(), active: active.input.checked, timeout: Number(timeout.value), poolsize: Number(pool.value) };
      putOne(await order("change-job", { config: changed, password: password.value || null }));
      note(t("page.saved"));
      location.hash = "#/jobs";
    } catch (error) {
      put(trouble, sorry(error, { server: hostOf(config.server) }));
      trouble.scrollIntoView({ block: "nearest" });
    }
    save.disabled = false;
  }
  const remove = () =>
    ask(
      t("page.remove-title", { name: labelOf(config) }),
      t("page.remove-about"),
      t("page.remove"),
      async () => {
        await order("remove-job", { job: config.id });
        location.hash = "#/jobs";
      },
      { danger: true },
    );
  return h(
    "form.card.form",
    { onsubmit: submit },
    h("dl.facts", {}, fact("computer", t("wizard.here"), config.directory), fact("server", t("wizard.on-server"), remoteOf(config)), fact("key", t("wizard.user"), config.user)),
    fields.elements,
    active.element,
    h("details", { open: ["login-needed", "login-failed"].includes(job.code) }, h("summary", {}, t("page.login-again")), field(t("wizard.password"), password, t("wizard.password-about"))),
    h("details", {}, h("summary", {}, t("page.connection")), h("div.columns", {}, field(t("page.timeout"), timeout), field(t("page.pool"), pool, t("page.pool-about")))),
    trouble,
    h("footer", {}, button("trash", t("page.remove-one"), () => attempt(remove), { kind: "quiet danger-text" }), h("span.grow"), h("a.button", { href: "#/jobs" }, t("button.cancel")), save),
  );
}

const fact = (picture, name, value) => h("div", {}, icon(picture, "small"), h("dt", {}, name), h("dd.path", {}, value));
