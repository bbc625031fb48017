// The fields of what a job is told to be, for the wizard and for changing it later.

import { field, h, select, show } from "./dom.js";
import { t } from "./texts.js";

export const FRESH = { direction: "bi", frequency: "auto", start_time: { h: 0, m: 0 }, solve: "manual", active: true, filters: { includes: [], excludes: [] } };

// `read()` gives the facts of the configuration that these fields hold.
export function options(config, { readOnly = false } = {}) {
  const label = h("input", { type: "text", value: config.label ?? "", maxlength: 200, autocomplete: "off" });
  const direction = select(
    [["bi", t("direction.bi")], ["up", t("direction.up")], ["down", t("direction.down")]],
    readOnly ? "down" : config.direction,
  );
  direction.disabled = readOnly;
  const frequency = select([["auto", t("frequency.auto")], ["manual", t("frequency.manual")], ["time", t("frequency.time")]], config.frequency);
  const { h: hour, m: minute } = config.start_time;
  const time = h("input", { type: "time", value: `${String(hour).padStart(2, "0")}:${String(minute).padStart(2, "0")}` });
  const timeField = field(t("wizard.time"), time);
  const timely = () => show(timeField, frequency.value === "time");
  frequency.addEventListener("change", timely);
  timely();
  const solve = select([["manual", t("solve.manual")], ["both", t("solve.both")], ["local", t("solve.local")], ["remote", t("solve.remote")]], config.solve);
  const excludes = h("textarea", { rows: 5, spellcheck: "false", value: config.filters.excludes.join("\n") });
  const includes = h("textarea", { rows: 3, spellcheck: "false", value: config.filters.includes.join("\n") });
  return {
    elements: [
      field(t("wizard.label"), label),
      h("div.columns", {}, field(t("wizard.direction"), direction, readOnly ? t("wizard.direction-read") : ""), field(t("wizard.solve"), solve, t("wizard.solve-about"))),
      h("div.columns", {}, field(t("wizard.frequency"), frequency), timeField),
      field(t("wizard.excludes"), excludes, t("wizard.excludes-about")),
      h("details", { open: config.filters.includes.length > 0 }, h("summary", {}, t("page.more-options")), field(t("page.includes"), includes, t("page.includes-about"))),
    ],
    read() {
      const [h_, m] = (time.value || "00:00").split(":").map(Number);
      return {
        label: label.value.trim(),
        direction: direction.value,
        frequency: frequency.value,
        start_time: { h: h_, m },
        solve: solve.value,
        filters: { includes: lines(includes.value), excludes: lines(excludes.value) },
      };
    },
  };
}

const lines = (text) => text.split("\n").map((line) => line.trim()).filter(Boolean);
