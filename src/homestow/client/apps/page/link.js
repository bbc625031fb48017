// The way to the service: orders, news and pictures over the local HTTP API.

const KEPT = "homestow-proof";
let proof = sessionStorage.getItem(KEPT) ?? "";

// The service refused an order, or is not there ("gone"), or this page may not speak to it ("login-needed").
export class Refused extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

// Open a session with the key in the address, which is taken out of it at once; without one, go on with the one there is.
export async function begin() {
  const key = new URLSearchParams(location.hash.slice(1)).get("key");
  if (!key) return proof !== "";
  history.replaceState(null, "", location.pathname);
  return (await enter({ key })) || proof !== "";
}

// A session for name and password, which the browser asks for.
export const enterByName = () => enter({});

async function enter(body) {
  const headers = { "Content-Type": "application/json" };
  const answer = await fetch("/control/open", { method: "POST", headers, body: JSON.stringify(body) });
  if (!answer.ok) return false;
  proof = (await answer.json()).token;
  sessionStorage.setItem(KEPT, proof);
  return true;
}

async function call(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, { ...options, headers: { ...options.headers, "X-Homestow-Proof": proof } });
  } catch {
    throw new Refused("gone", "The service does not answer.");
  }
  if (answer.status === 401 || answer.status === 403) throw new Refused("login-needed", "This page may not speak to the service.");
  return answer;
}

// What an order gives. `order("pause", { job })`.
export async function order(name, facts = {}) {
  const body = JSON.stringify({ version: 1, order: { order: name, ...facts } });
  const answer = await call("/control", { method: "POST", headers: { "Content-Type": "application/json" }, body });
  const { gave, refused } = await answer.json();
  if (refused) throw new Refused(refused.code, refused.message);
  if (gave === undefined) throw new Refused("internal", "The service gave no answer.");
  return gave;
}

// A picture of a conflict as an address for <img>, or null; the caller revokes it.
export async function picture(job, conflict, side) {
  const answer = await call(`/control/preview?${new URLSearchParams({ job, conflict, side })}`);
  return answer.ok ? URL.createObjectURL(await answer.blob()) : null;
}

// All news until the connection ends; `heard` gets lists of publications.
export async function follow(heard) {
  const answer = await call("/control/news");
  if (!answer.ok) throw new Refused("gone", "The service does not tell its news.");
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read().catch(() => ({ done: true }));
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    const batch = lines.filter((line) => line.startsWith("data: ")).map((line) => JSON.parse(line.slice(6)));
    if (batch.length) heard(batch);
  }
}
