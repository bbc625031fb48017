// What the page knows. News change it at once; what is on the screen follows once per frame, however many came.

import { follow, Refused } from "./link.js";

const MOST_EVENTS = 500;

export const state = {
  jobs: new Map(), // by id, in order of their numbers
  general: "none",
  progress: null,
  settings: null,
  events: [], // heard since the page is open, newest first
  connected: null, // null: not yet
  ended: false,
  refused: false,
};

const drawers = new Set();
let due = false;

// Call `draw` once per frame in which something changed; gives what ends that.
export function onChange(draw) {
  drawers.add(draw);
  return () => drawers.delete(draw);
}

export function changed() {
  if (due) return;
  due = true;
  // A page that is not seen draws nothing, but what waits for it does not pile up either.
  requestAnimationFrame(() => {
    due = false;
    for (const draw of [...drawers]) draw();
  });
}

export function take(batch) {
  for (const news of batch) {
    switch (news.news) {
      case "general":
        state.general = news.general;
        state.progress = news.progress;
        break;
      case "job":
        putJob(news.job);
        break;
      case "gone":
        state.jobs.delete(news.job);
        break;
      case "progress": {
        const job = state.jobs.get(news.job);
        if (job) state.jobs.set(news.job, { ...job, progress: news.progress });
        break;
      }
      case "events":
        state.events.unshift(...[...news.events].reverse());
        if (state.events.length > MOST_EVENTS) state.events.length = MOST_EVENTS;
        break;
      case "settings":
        state.settings = news.settings;
        break;
      case "ended":
        state.ended = true;
        break;
    }
  }
  changed();
}

function putJob(job) {
  const fresh = state.jobs.get(job.config.id)?.number !== job.number;
  state.jobs.set(job.config.id, job);
  if (fresh) state.jobs = new Map([...state.jobs].sort(([, one], [, other]) => one.number - other.number));
}

// Several jobs at once, as orders give them.
export function putJobs(jobs) {
  state.jobs = new Map(jobs.map((job) => [job.config.id, job]));
  changed();
}

export function putOne(job) {
  putJob(job);
  changed();
}

// Hear news as long as the page lives; a service that goes is looked for again.
export async function live() {
  for (let pause = 500; !state.ended; pause = Math.min(pause * 2, 10000)) {
    try {
      await follow((batch) => {
        if (!state.connected) state.jobs = new Map();
        state.connected = true;
        pause = 500;
        take(batch);
      });
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (error.code === "login-needed") state.refused = true;
    }
    state.connected = false;
    changed();
    if (state.refused) return;
    await new Promise((done) => setTimeout(done, pause));
  }
}
