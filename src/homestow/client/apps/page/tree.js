// The folders of a workspace, to choose one: each a radio button, opened by the arrow beside it.

import { attempt } from "./dialogs.js";
import { button, h, mark, put, show } from "./dom.js";
import { icon } from "./icons.js";
import { order } from "./link.js";
import { t } from "./texts.js";

export function folderTree(url, user, space, chosen) {
  const account = { url, user, workspace: space.name };
  let path = chosen;
  const top = branch("", t("wizard.all-of", { workspace: space.name }), true);
  const name = h("input", { type: "text", "aria-label": t("wizard.new-folder-name"), placeholder: t("wizard.new-folder-name"), maxlength: 255 });
  const make = button("plus", t("wizard.make-folder"), () => attempt(makeFolder, { path: name.value }));
  name.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    make.click();
  });
  const branches = new Map([["", top]]);

  function branch(at, text, open) {
    const inside = h("ul", { hidden: true });
    const radio = h("input", { type: "radio", name: "remote-folder", value: at, checked: at === path, onchange: () => (path = at) });
    const opener = button("chevron-right", "", () => toggle(), { kind: "quiet opener", label: t("page.open-folder", { name: text }), "aria-expanded": "false" });
    const element = h("li", {}, h("div.twig", {}, opener, h("label", {}, radio, icon("folder", "small"), h("span.path", {}, text))), inside);
    let listed = false;
    async function list() {
      fill(await order("folders", { ...account, path: at }));
    }
    function fill(names) {
      listed = true;
      put(inside, names.map((each) => child(at, each)));
      opener.classList.toggle("leaf", names.length === 0);
      mark(opener, "aria-expanded", String(names.length > 0));
      show(inside, names.length > 0);
    }
    function toggle() {
      if (!listed) return attempt(list, { path: at });
      show(inside, inside.hidden);
      return mark(opener, "aria-expanded", String(!inside.hidden));
    }
    if (open) queueMicrotask(toggle);
    return { element, fill, radio };
  }
  function child(at, text) {
    const below = at ? `${at}/${text}` : text;
    const made = branch(below, text, false);
    branches.set(below, made);
    return made.element;
  }
  async function makeFolder() {
    const wanted = name.value.trim().replace(/^\/+|\/+$/g, "");
    if (!wanted) return name.focus();
    const parent = path;
    const names = await order("make-folder", { ...account, path: parent ? `${parent}/${wanted}` : wanted });
    name.value = "";
    path = parent ? `${parent}/${wanted}` : wanted;
    branches.get(parent).fill(names);
    branches.get(path)?.radio.focus();
  }
  return {
    element: h("div", {}, h("ul.tree", { role: "group", "aria-label": t("wizard.folders") }, top.element), h("div.row", {}, name, make)),
    path: () => path,
  };
}
