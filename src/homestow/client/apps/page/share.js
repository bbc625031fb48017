// A link to a file or folder, for people without an account.

import { attempt, dialog, note, sorry } from "./dialogs.js";
import { button, field, h, put } from "./dom.js";
import { order } from "./link.js";
import { labelOf } from "./looks.js";
import { state } from "./state.js";
import { t } from "./texts.js";

export function shareDialog(job, path = "") {
  const config = state.jobs.get(job)?.config;
  dialog(t("page.share-title", { name: config ? labelOf(config) : job }), (close) => {
    const file = h("input", { type: "text", value: path, required: true, autocomplete: "off", spellcheck: "false" });
    const days = h("input", { type: "number", min: 1, max: 36500, value: "30" });
    const password = h("input", { type: "password", minlength: 6, maxlength: 1024, autocomplete: "new-password" });
    const trouble = h("div", { role: "alert" });
    const made = h("div", { "aria-live": "polite" });
    const go = button("share", t("page.share-make"), null, { kind: "primary", type: "submit" });
    async function make(event) {
      event.preventDefault();
      go.disabled = true;
      put(trouble);
      try {
        const link = await order("share", { job, path: clean(file.value, config), days: days.value ? Number(days.value) : null, password: password.value || null });
        put(made, linkMade(job, link, () => put(made)));
      } catch (error) {
        put(trouble, sorry(error, { path: file.value }));
      }
      go.disabled = false;
    }
    return h(
      "form",
      { onsubmit: make },
      field(t("page.share-path"), file, t("page.share-path-about")),
      h("div.columns", {}, field(t("page.share-days"), days, t("page.share-days-about")), field(t("page.share-password"), password, t("page.share-password-about"))),
      trouble,
      made,
      h("footer", {}, button("", t("button.close"), close), go),
    );
  });
}

// People paste whole paths too.
function clean(path, config) {
  const folder = config ? `${config.directory}/` : "";
  return (folder && path.startsWith(folder) ? path.slice(folder.length) : path).replace(/^\/+|\/+$/g, "");
}

function linkMade(job, link, gone) {
  const url = h("input", { type: "text", value: link.url, readonly: true, "aria-label": t("page.share-link"), onfocus: () => url.select() });
  const copy = async () => {
    url.select();
    await navigator.clipboard.writeText(link.url);
    note(t("page.copied"));
  };
  const end = async () => {
    if (await attempt(() => order("unshare", { job, link: link.id }))) {
      gone();
      note(t("page.share-ended"));
    }
  };
  return h("div.made", {}, url, button("copy", t("page.copy"), () => attempt(copy), { kind: "primary" }), button("trash", t("page.share-end"), end));
}
