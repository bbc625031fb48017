// Questions and short notes over the page.

import { button, h, put } from "./dom.js";
import { icon } from "./icons.js";
import { t, told } from "./texts.js";

// A window over the page; Escape closes it and the focus goes back where it was. Gives what closes it.
export function dialog(title, make, { wide = false } = {}) {
  const before = document.activeElement;
  const heading = h("h2", { id: "dialog-title" }, title);
  const content = h("div.dialog-content");
  const close = () => element.close();
  const element = h(
    wide ? "dialog.wide" : "dialog",
    { "aria-labelledby": "dialog-title", onclose: () => (element.remove(), before?.focus?.()) },
    h("header", {}, heading, button("cross", "", close, { kind: "quiet", label: t("button.close") })),
    content,
  );
  put(content, make(close));
  document.body.append(element);
  element.showModal();
  return close;
}

// Ask before something that cannot be taken back. `does` is the word on the button that does it.
export function ask(title, text, does, act, { danger = false } = {}) {
  dialog(title, (close) => {
    const trouble = h("div", { role: "alert" });
    const go = async () => {
      yes.disabled = true;
      try {
        await act();
        close();
      } catch (error) {
        put(trouble, sorry(error));
        yes.disabled = false;
      }
    };
    const yes = button("", does, go, { kind: danger ? "danger" : "primary" });
    return [h("p", {}, text), trouble, h("footer", {}, button("", t("button.cancel"), close, { autofocus: true }), yes)];
  });
}

// A trouble in words: what happened, what to do.
export function sorry(error, facts = {}) {
  const { what, todo } = told(error.code ?? "", error.message, facts);
  return h("div.banner.bad", {}, icon("alert"), h("div", {}, h("p.what", {}, what), todo && what !== todo ? h("p", {}, todo) : null));
}

let notes = null;

// A short note that goes by itself, and is read aloud.
export function note(text, kind = "good") {
  notes ??= document.body.appendChild(h("div.notes", { role: "status", "aria-live": "polite" }));
  const element = h(`div.note.${kind}`, {}, icon(kind === "good" ? "check" : "alert"), h("span", {}, text));
  notes.append(element);
  setTimeout(() => element.remove(), 7000);
}

// Do it, and say when it was refused. Gives whether it was done.
export async function attempt(act, facts = {}) {
  try {
    await act();
    return true;
  } catch (error) {
    const { what, todo } = told(error.code ?? "", error.message, facts);
    note(`${what} ${todo}`.trim(), "bad");
    return false;
  }
}
