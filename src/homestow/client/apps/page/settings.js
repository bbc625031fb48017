// Settings of the service and of this page, and the end of the service.

import { ask, attempt, note, sorry } from "./dialogs.js";
import { button, choice, field, h, put, select } from "./dom.js";
import { order } from "./link.js";
import { state } from "./state.js";
import { t, when } from "./texts.js";

const THEME = "homestow-theme";

export function applyTheme() {
  document.documentElement.dataset.theme = localStorage.getItem(THEME) ?? "";
}

export function settingsView() {
  const body = h("div");
  let shown = null;
  return {
    title: t("page.settings"),
    element: body,
    draw() {
      if (!state.settings || shown === JSON.stringify(state.settings)) return;
      shown = JSON.stringify(state.settings);
      put(body, form(state.settings), aboutCard());
    },
  };
}

function form(settings) {
  const number = (value, max) => h("input", { type: "number", min: 0, max, step: 1, value: String(value) });
  const up = number(settings.up_kbytes, 10_000_000);
  const down = number(settings.down_kbytes, 10_000_000);
  const language = select([["", t("page.language-desktop")], ["en", "English"], ["zh", "中文"]], settings.language);
  const theme = select([["", t("page.theme-system")], ["light", t("page.theme-light")], ["dark", t("page.theme-dark")]], localStorage.getItem(THEME) ?? "");
  theme.addEventListener("change", () => (localStorage.setItem(THEME, theme.value), applyTheme()));
  const autostart = choice(t("page.autostart"), settings.autostart, t("page.autostart-about"));
  const balloons = choice(t("page.notifications"), settings.notifications, t("page.notifications-about"));
  const api = number(settings.api_port, 65535);
  const zmq = number(settings.zmq_port, 65533);
  const trouble = h("div", { role: "alert" });
  const save = button("check", t("page.save"), null, { kind: "primary", type: "submit" });
  async function submit(event) {
    event.preventDefault();
    save.disabled = true;
    put(trouble);
    const wanted = {
      up_kbytes: Number(up.value),
      down_kbytes: Number(down.value),
      language: language.value,
      autostart: autostart.input.checked,
      notifications: balloons.input.checked,
      zmq_port: Number(zmq.value),
      api_port: Number(api.value),
    };
    try {
      state.settings = await order("change-settings", { settings: wanted });
      note(t("page.saved"));
    } catch (error) {
      put(trouble, sorry(error));
    }
    save.disabled = false;
  }
  const part = (title, ...children) => h("fieldset", {}, h("legend", {}, title), children);
  return h(
    "form.card.form",
    { onsubmit: submit },
    part(t("page.bandwidth"), h("p.hint", {}, t("page.bandwidth-about")), h("div.columns", {}, field(t("page.up-limit"), up), field(t("page.down-limit"), down))),
    part(t("page.looks"), h("div.columns", {}, field(t("page.language"), language), field(t("page.theme"), theme))),
    part(t("page.start"), autostart.element, balloons.element),
    part(t("page.ports"), h("p.hint", {}, t("page.ports-about")), h("div.columns", {}, field(t("page.api-port"), api), field(t("page.zmq-port"), zmq))),
    trouble,
    h("footer", {}, h("span.grow"), save),
  );
}

function aboutCard() {
  const facts = h("dl.facts");
  attempt(async () => {
    const about = await order("hello");
    const fact = (name, value) => h("div", {}, h("dt", {}, name), h("dd.path", {}, value));
    put(
      facts,
      fact(t("page.version"), about.version),
      fact(t("page.device"), about.device),
      fact(t("page.running-since"), `${when(about.begun_ns)} (${about.pid})`),
      about.jobs_file ? fact(t("page.jobs-file"), about.jobs_file) : null,
    );
  });
  const quit = () => ask(t("page.quit-title"), t("page.quit-about"), t("page.quit"), () => order("quit"), { danger: true });
  return h("section.card.form", { "aria-label": t("page.service") }, h("h2", {}, t("page.service")), facts, h("footer", {}, h("span.grow"), button("power", t("page.quit"), quit)));
}
