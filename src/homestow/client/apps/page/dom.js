// Making and changing what is on the page. All text comes in as text: names of files, folders, devices and servers are
// whatever somebody else gave them, and nothing here ever reads a string as HTML.

import { icon } from "./icons.js";

// h("button.quiet", { type: "button", onclick }, "text", node, …): one element. `null` and `false` are left out.
export function h(name, attributes = {}, ...children) {
  const [tag, ...classes] = name.split(".");
  const element = document.createElement(tag);
  if (classes.length) element.className = classes.join(" ");
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key in PROPERTIES) element[key] = value;
    else element.setAttribute(key, value === true ? "" : String(value));
  }
  put(element, ...children);
  return element;
}

const PROPERTIES = { value: 1, checked: 1, disabled: 1, hidden: 1, selected: 1, open: 1 };

// Children in place of those there are.
export function put(element, ...children) {
  element.replaceChildren(...children.flat(3).filter((child) => child !== null && child !== undefined && child !== false));
}

// Set a text, and touch the page only when it is another one.
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function show(element, yes) {
  if (element.hidden === yes) element.hidden = !yes;
}

export function mark(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

// A button with a pictogram; without `text` its label is only spoken and shown on hover.
export function button(picture, text, onclick, { kind = "", label = "", ...rest } = {}) {
  const name = ["button", ...kind.split(" ").filter(Boolean), text ? "" : "bare"].filter(Boolean).join(".");
  const given = { type: "button", onclick, ...rest };
  if (label) Object.assign(given, { "aria-label": label }, text ? {} : { title: label });
  return h(name, given, picture ? icon(picture) : null, text ? h("span", {}, text) : null);
}

// One list kept in step with values: elements live on by key, so that focus and scrolling stay where they are.
export class Rows {
  constructor(parent, make) {
    this.parent = parent;
    this.make = make;
    this.rows = new Map();
  }

  // `values` by key, in order; `make(value, key)` gives { element, update(value) }.
  show(values) {
    for (const [key, row] of this.rows) {
      if (!values.has(key)) {
        row.element.remove();
        this.rows.delete(key);
      }
    }
    let after = null;
    for (const [key, value] of values) {
      let row = this.rows.get(key);
      if (row) row.update?.(value);
      else this.rows.set(key, (row = this.make(value, key)));
      const wanted = after ? after.nextSibling : this.parent.firstChild;
      if (row.element !== wanted) this.parent.insertBefore(row.element, wanted);
      after = row.element;
    }
  }
}

let numbers = 0;

// A label, its field, and a hint that is read with it.
export function field(text, input, hint = "") {
  input.id ||= `field-${++numbers}`;
  const about = hint ? h("p.hint", { id: `${input.id}-hint` }, hint) : null;
  if (about) input.setAttribute("aria-describedby", about.id);
  return h("div.field", {}, h("label", { for: input.id }, text), input, about);
}

export function choice(text, checked, hint = "") {
  const input = h("input", { type: "checkbox", checked });
  input.id = `field-${++numbers}`;
  return { input, element: h("div.choice", {}, input, h("div", {}, h("label", { for: input.id }, text), hint ? h("p.hint", {}, hint) : null)) };
}

// A <select> of [value, text] pairs.
export function select(pairs, value) {
  return h("select", {}, pairs.map(([each, text]) => h("option", { value: each, selected: each === value }, text)));
}
