// Two contents of one file, side by side, and the choice.

import { attempt, dialog, note, sorry } from "./dialogs.js";
import { button, h, put, Rows, show } from "./dom.js";
import { icon } from "./icons.js";
import { order, picture } from "./link.js";
import { labelOf } from "./looks.js";
import { state } from "./state.js";
import { size, t, when } from "./texts.js";

const PICTURE = /\.(png|jpe?g|gif|webp|avif|bmp)$/i;

export function conflictsView() {
  const list = h("div.cards");
  const none = h("div.empty", { hidden: true }, icon("check", "large"), h("h2", {}, t("page.conflicts-none")), h("p", {}, t("page.conflicts-none-about")));
  const all = h("div.row");
  const rows = new Rows(list, (conflict) => card(conflict, load));
  let seen = null;
  let listed = [];

  async function load() {
    listed = await order("conflicts");
    rows.show(new Map(listed.map((each) => [`${each.job}\n${each.id}`, each])));
    show(none, listed.length === 0);
    put(all, listed.filter((each) => each.ready).length > 1 ? button("check", t("page.settle-all"), () => settleAll(listed, load)) : null);
  }
  return {
    title: t("page.conflicts"),
    actions: [all],
    element: h("div", {}, h("p.lead", {}, t("page.conflicts-about")), list, none),
    end: () => rows.show(new Map()),
    draw() {
      const now = [...state.jobs.values()].map((job) => `${job.config.id} ${job.conflicts} ${job.state}`).join("\n");
      if (now === seen) return;
      seen = now;
      attempt(load);
    },
  };
}

const KEEP = { original: "page.keep-original", copy: "page.keep-copy", both: "page.keep-both" };
const SETTLED = { original: "page.settled-original", copy: "page.settled-copy", both: "page.settled-both" };

// One answer for all that can be settled now.
function settleAll(listed, load) {
  const ready = listed.filter((each) => each.ready);
  dialog(t("page.settle-all"), (close) => {
    const trouble = h("div", { role: "alert" });
    const settle = (keep) => async () => {
      try {
        for (const each of ready) await order("settle", { job: each.job, keep, conflict: each.id });
        note(t("page.settled-count", { n: ready.length }));
        close();
      } catch (error) {
        put(trouble, sorry(error));
      }
      await attempt(load);
    };
    const choices = Object.entries(KEEP).map(([keep, text]) => button("", t(text), settle(keep), { kind: keep === "both" ? "primary" : "" }));
    return [h("p", {}, t("page.settle-all-about", { n: ready.length })), trouble, h("footer", {}, button("", t("button.cancel"), close), choices)];
  });
}

function card(first, load) {
  const job = state.jobs.get(first.job);
  const trouble = h("div", { role: "alert" });
  const waits = h("p.hint", { hidden: true }, icon("clock", "small"), t("page.conflict-waits"));
  const name = first.original.path;
  const settle = (keep) => async (event) => {
    const buttons = [...element.querySelectorAll("button")];
    for (const each of buttons) each.disabled = true;
    try {
      await order("settle", { job: first.job, keep, conflict: first.id });
      note(t(SETTLED[keep], { file: name }));
    } catch (error) {
      put(trouble, sorry(error, { path: name }));
      for (const each of buttons) each.disabled = false;
      event.target.focus?.();
    }
    await attempt(load);
    if (document.activeElement === document.body) document.querySelector("h1").focus(); // what had the focus is gone
  };
  const sides = { original: side(first, "original", settle("original")), copy: side(first, "copy", settle("copy")) };
  const both = button("copy", t("page.keep-both"), settle("both"), { label: t("page.keep-both-of", { file: name }) });
  const element = h(
    "article.card.conflict",
    { "aria-label": t("page.conflict-of", { file: name }) },
    h("header", {}, h("div.sign", { "data-tone": "warn" }, icon("conflict")), h("div.grow", {}, h("h2.path", {}, name), h("p.detail", {}, job ? labelOf(job.config) : first.job))),
    h("div.sides", {}, sides.original.element, sides.copy.element),
    trouble,
    h("footer", {}, waits, h("span.grow"), h("span.hint", {}, t("page.keep-both-about")), both),
  );
  function update(conflict) {
    show(waits, !conflict.ready);
    for (const each of element.querySelectorAll("button")) each.disabled = !conflict.ready;
  }
  update(first);
  return { element, update };
}

function side(conflict, which, settle) {
  const { path, file, size: bytes, mtime_ns: at } = conflict[which];
  const preview = h("div.preview", {}, icon("file", "large"));
  const title = which === "original" ? t("page.side-original") : t("page.side-copy", { device: conflict.device });
  if (file !== null && PICTURE.test(path)) load(preview, conflict, which, `${title}: ${path}`);
  return {
    element: h(
      "section.side-by",
      { "aria-label": title },
      preview,
      h("h3", {}, title),
      h("p.detail", {}, `${size(bytes)} · ${when(at)}`),
      h("p.path.detail", {}, path),
      button("check", t("page.keep-this"), settle, { kind: "chosen", label: t("page.keep-this-of", { title }) }),
    ),
  };
}

async function load(preview, conflict, which, alt) {
  let url = null;
  try {
    url = await picture(conflict.job, conflict.id, which);
  } catch {
    return; // the sign of a file stays
  }
  if (!url) return;
  const image = h("img", { alt });
  image.addEventListener("load", () => URL.revokeObjectURL(url));
  image.addEventListener("error", () => (URL.revokeObjectURL(url), put(preview, icon("file", "large"))));
  image.src = url;
  put(preview, image);
  preview.classList.add("pictured");
}
