// Texts in the language of the person. The catalogues are those of the window; see apps/texts.

let catalogue = {};
export let language = "en";

export async function speak(wanted) {
  language = [wanted, ...navigator.languages].map((tag) => tag.slice(0, 2).toLowerCase()).find((tag) => tag === "en" || tag === "zh") ?? "en";
  catalogue = await (await fetch(`texts/${language}.json`)).json();
  document.documentElement.lang = language;
}

export const has = (key) => key in catalogue;

// The text of a key, filled in; `n` chooses the form. Marks of keyboard letters ("&Next", "下一步(&N)") are the window's only.
export function t(key, values = {}) {
  let text = catalogue[key];
  if (text === undefined) return key;
  if (typeof text !== "string") text = (values.n === 1 && text.one) || text.other;
  return text
    .replace(/\s*\(&[A-Z]\)/, "")
    .replace(/&(?=\S)/, "")
    .replace(/\{(\w+)\}/g, (all, name) => (name in values ? shown(values[name]) : all));
}

function shown(value) {
  return typeof value === "number" ? value.toLocaleString("en-US") : String(value);
}

// A trouble by its code: what happened and what to do; `detail` is what the service said of it, in English.
export function told(code, message, { path = "", server = "" } = {}) {
  const what = catalogue[`code.${code}`];
  if (what === undefined || (what.includes("{message}") && !message)) return { what: message || t("code.unknown"), todo: todo(code), detail: "" };
  const text = t(`code.${code}`, {
    file: path ? t("unit.quoted", { text: path }) : t("unit.this-item"),
    server: server || t("unit.the-server"),
    message,
  });
  const begun = server && text.startsWith(server) ? text : text.charAt(0).toUpperCase() + text.slice(1);
  return { what: begun, todo: todo(code), detail: what.includes("{message}") ? "" : message };
}

const todo = (code) => (catalogue[`do.${code}`] ? t(`do.${code}`) : "");

const UNITS = ["B", "kB", "MB", "GB", "TB"];

export function size(bytes) {
  let rest = bytes;
  let unit = 0;
  while (unit < UNITS.length - 1 && rest >= (unit ? 999.5 : 1000)) {
    rest /= 1000;
    unit += 1;
  }
  return `${unit === 0 || rest >= 99.95 ? Math.round(rest) : rest.toFixed(1)} ${UNITS[unit]}`;
}

export const rate = (bytesPerS) => `${size(bytesPerS)}/s`;

export function left(seconds) {
  if (seconds < 60) return t("unit.seconds", { n: Math.max(1, Math.round(seconds)) });
  if (seconds < 3600) return t("unit.minutes", { n: Math.round(seconds / 60) });
  if (seconds < 48 * 3600) return t("unit.hours", { n: Math.round(seconds / 3600) });
  return t("unit.days", { n: Math.round(seconds / 86400) });
}

const two = (number) => String(number).padStart(2, "0");
const day = (date) => `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;

export function when(atNs, now = new Date()) {
  const at = new Date(atNs / 1e6);
  if (Number.isNaN(at.getTime())) return t("unit.no-time");
  const time = `${two(at.getHours())}:${two(at.getMinutes())}`;
  if (day(at) === day(now)) return t("unit.today", { time });
  const before = new Date(now);
  before.setDate(now.getDate() - 1);
  return day(at) === day(before) ? t("unit.yesterday", { time }) : `${day(at)} ${time}`;
}
