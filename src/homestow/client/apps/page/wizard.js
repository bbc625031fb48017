// From nothing to a folder in step: server, login, what of it, where on this computer, how.

import { attempt, sorry } from "./dialogs.js";
import { button, field, h, mark, put, say, show } from "./dom.js";
import { icon } from "./icons.js";
import { order } from "./link.js";
import { hostOf } from "./looks.js";
import { FRESH, options } from "./options.js";
import { putOne } from "./state.js";
import { size, t } from "./texts.js";
import { folderTree } from "./tree.js";

const STEPS = [serverStep, loginStep, workspaceStep, folderStep, optionsStep];

export function wizardView() {
  const chosen = { url: "", known: "", user: "", spaces: [], workspace: null, remote: "", directory: "" };
  const marks = h("ol.steps", { "aria-hidden": "true" }, STEPS.map(() => h("li")));
  const count = h("p.hint");
  const title = h("h2", { tabindex: -1 });
  const body = h("div.step");
  const trouble = h("div", { role: "alert" });
  const back = button("", t("button.back"), () => at > 0 && goTo(at - 1));
  const next = button("", t("button.next"), null, { kind: "primary", type: "submit" });
  const busy = h("p.hint", { role: "status", "aria-live": "polite" });
  const form = h("form.card.form.wizard", { onsubmit: submit, novalidate: true }, marks, count, title, body, trouble, busy, h("footer", {}, h("a.button.quiet", { href: "#/jobs" }, t("button.cancel")), h("span.grow"), back, next));
  let at = 0;
  let step = null;

  function goTo(number) {
    at = number;
    put(trouble);
    step = STEPS[at](chosen);
    say(title, step.title);
    say(count, t("wizard.step", { number: at + 1, total: STEPS.length }));
    put(body, step.about ? h("p.lead", {}, step.about) : null, step.elements);
    [...marks.children].forEach((each, index) => mark(each, "class", index < at ? "done" : index === at ? "now" : ""));
    show(back, at > 0);
    say(next.lastElementChild, at === STEPS.length - 1 ? t("wizard.begin") : t("button.next"));
    (step.focus ?? title).focus();
    step.begin?.();
  }
  async function submit(event) {
    event.preventDefault();
    if (next.disabled) return;
    next.disabled = back.disabled = true;
    put(trouble);
    say(busy, t("wizard.busy"));
    try {
      await step.leave();
      if (at === STEPS.length - 1) location.hash = "#/jobs";
      else goTo(at + 1);
    } catch (error) {
      put(trouble, sorry(error, { server: hostOf(chosen.url), path: chosen.directory }));
    }
    say(busy, "");
    next.disabled = back.disabled = false;
  }
  return { title: t("wizard.title"), back: "#/jobs", element: form, begin: () => goTo(0) };
}

// What was entered cannot be gone on with, in words of ours.
function missing(text) {
  return Object.assign(new Error(text), { code: "" });
}

function serverStep(chosen) {
  const url = h("input", { type: "text", value: chosen.url, autocomplete: "url", spellcheck: "false", autocapitalize: "off", placeholder: "https://…", maxlength: 4096 });
  const found = h("ul.picks", { "aria-label": t("wizard.found") });
  const hint = h("p.hint", { role: "status", "aria-live": "polite" });
  const trust = h("input", { type: "checkbox", id: "wizard-trust" });
  const open = h("div.banner.warn", { hidden: true }, icon("problem"), h("div.grow", {}, h("p", {}, t("wizard.open-what")), h("div.choice", {}, trust, h("label", { for: "wizard-trust" }, t("wizard.open-trust")))));
  url.addEventListener("input", () => show(open, false));
  async function search() {
    again.disabled = true;
    say(hint, t("wizard.searching"));
    const done = await attempt(async () => {
      const servers = await order("discover", { seconds: 3 });
      put(found, servers.map((server) => h("li", {}, button("server", server.name, () => ((url.value = server.url), url.focus()), { kind: "pick", label: `${server.name}, ${server.url}` }), h("span.detail.path", {}, server.url))));
      say(hint, servers.length ? "" : t("wizard.found-none"));
    });
    if (!done) say(hint, "");
    again.disabled = false;
  }
  const again = button("search", t("wizard.search"), search);
  return {
    title: t("wizard.server-title"),
    about: t("wizard.server-about"),
    elements: [field(t("wizard.address"), url), open, h("h3", {}, t("wizard.found")), hint, found, again],
    focus: url,
    begin: search,
    async leave() {
      if (!url.value.trim()) throw missing(t("page.address-missing"));
      const seen = await order("check-server", { url: url.value.trim() });
      chosen.url = url.value = seen.url;
      if (isOpen(seen.url) && !trust.checked) {
        show(open, true);
        throw missing(t("page.open-answer"));
      }
      chosen.known = seen.user;
      chosen.user ||= seen.user;
    },
  };
}

// Is the way to it open to everybody in between? What does not leave this computer is not.
const isOpen = (url) => /^(http|netdrive):\/\//.test(url) && !/^[a-z]+:\/\/(localhost|127\.|\[::1\])/.test(url);

function loginStep(chosen) {
  const user = h("input", { type: "text", value: chosen.user, autocomplete: "username", spellcheck: "false", autocapitalize: "off", maxlength: 4096 });
  const password = h("input", { type: "password", autocomplete: "current-password", maxlength: 1024 });
  return {
    title: t("wizard.login-title"),
    about: hostOf(chosen.url),
    elements: [
      field(t("wizard.user"), user),
      field(t("wizard.password"), password, t("wizard.password-about")),
      chosen.known ? h("p.hint", {}, t("wizard.known", { user: chosen.known })) : null,
    ],
    focus: user.value ? password : user,
    async leave() {
      const account = { url: chosen.url, user: user.value.trim() };
      if (!account.user) throw missing(t("page.user-missing"));
      chosen.spaces = password.value ? await order("login", { ...account, password: password.value }) : await order("workspaces", account);
      if (!chosen.spaces.length) throw missing(t("wizard.no-workspaces"));
      if (chosen.user !== account.user) chosen.workspace = null;
      chosen.user = account.user;
    },
  };
}

function workspaceStep(chosen) {
  chosen.workspace ??= chosen.spaces[0];
  const spaces = select(chosen.spaces.map((space) => [String(space.id), `${space.name} (${t(RIGHTS[space.rights])})`]), String(chosen.workspace.id));
  const place = h("div");
  let tree = null;
  function draw() {
    chosen.workspace = chosen.spaces.find((space) => String(space.id) === spaces.value);
    tree = folderTree(chosen.url, chosen.user, chosen.workspace, chosen.remote);
    put(place, tree.element);
  }
  spaces.addEventListener("change", () => ((chosen.remote = ""), draw()));
  return {
    title: t("wizard.workspace-title"),
    about: t("wizard.workspace-about"),
    elements: [field(t("wizard.workspaces"), spaces), h("h3", {}, t("wizard.folders")), place],
    focus: spaces,
    begin: draw,
    async leave() {
      chosen.remote = tree.path();
      chosen.directory ||= await proposed(chosen);
    },
  };
}

const RIGHTS = { own: "rights.own", write: "rights.write", read: "rights.read" };

function select(pairs, value) {
  return h("select", {}, pairs.map(([each, text]) => h("option", { value: each, selected: each === value }, text)));
}

function folderStep(chosen) {
  const directory = h("input", { type: "text", value: chosen.directory, spellcheck: "false", autocomplete: "off", maxlength: 4096 });
  const seen = h("div.seen", { role: "status", "aria-live": "polite" });
  let looks = 0;
  async function look() {
    const path = directory.value.trim();
    const number = ++looks;
    if (!path) return put(seen);
    const facts = await order("check-folder", { directory: path });
    if (number === looks) put(seen, folderFacts(facts));
    return facts;
  }
  const tell = () => look().catch((error) => put(seen, sorry(error)));
  directory.addEventListener("change", tell);
  return {
    title: t("wizard.folder-title"),
    about: t("wizard.folder-about"),
    elements: [field(t("wizard.folder"), directory, t("page.folder-whole")), seen],
    focus: directory,
    begin: tell,
    async leave() {
      if (!directory.value.trim()) throw missing(t("page.folder-missing"));
      const facts = await look();
      if (facts.against) throw missing(facts.against);
      chosen.directory = facts.directory;
    },
  };
}

// A folder of the workspace's name in the person's own; the service's files show where that is.
async function proposed(chosen) {
  const { jobs_file: file } = await order("hello").catch(() => ({ jobs_file: "" }));
  const home = /^(\/home\/[^/]+|\/root|\/Users\/[^/]+)\//.exec(file)?.[1];
  const name = (chosen.remote.split("/").pop() || chosen.workspace.name).replace(/[\\/:*?"<>|]/g, "");
  return home ? `${home}/Homestow/${name}` : "";
}

function folderFacts(facts) {
  if (facts.against) return sorry({ code: "", message: facts.against });
  const counted = { n: facts.files, size: size(facts.size_bytes) };
  const what = !facts.exists
    ? t("wizard.folder-new")
    : !facts.files
      ? t("wizard.folder-empty")
      : facts.more
        ? t("wizard.folder-holds-more", counted)
        : t("wizard.folder-holds", counted);
  return h(
    "div.banner.idle",
    {},
    icon("folder"),
    h("div.grow", {}, h("p.what", {}, what), facts.files ? h("p", {}, t("wizard.folder-joined")) : null, h("p", {}, t("wizard.folder-room", { size: size(facts.free_bytes) }))),
  );
}

function optionsStep(chosen) {
  const readOnly = chosen.workspace.rights === "read";
  const label = chosen.remote.split("/").pop() || chosen.workspace.name;
  const fields = options({ ...FRESH, label }, { readOnly });
  const place = [chosen.workspace.name, chosen.remote].filter(Boolean).join("/");
  const fact = (name, value) => h("div", {}, h("dt", {}, name), h("dd.path", {}, value));
  return {
    title: t("wizard.options-title"),
    about: t("wizard.options-about"),
    elements: [
      h("dl.facts", {}, fact(t("wizard.on-server"), t("wizard.place-there", { place, server: hostOf(chosen.url), user: chosen.user })), fact(t("wizard.here"), chosen.directory)),
      fields.elements,
    ],
    async leave() {
      const config = { server: chosen.url, directory: chosen.directory, workspace: chosen.workspace.name, remote_folder: chosen.remote, user: chosen.user, ...fields.read() };
      putOne(await order("add-job", { config }));
    },
  };
}
