// How states look: a tone (see page.css) and a pictogram, for jobs, for all of them, and for events.

export const BUSY = ["starting", "listing", "scanning", "syncing"];

const TONES = {
  synced: ["good", "check"],
  syncing: ["busy", "reload"],
  starting: ["busy", "reload"],
  listing: ["busy", "reload"],
  scanning: ["busy", "search"],
  left: ["warn", "problem"],
  waiting: ["warn", "offline"],
  asking: ["warn", "question"],
  failed: ["bad", "alert"],
  paused: ["idle", "pause"],
  scheduled: ["idle", "clock"],
  off: ["idle", "power"],
  none: ["idle", "folder"],
};

export const tone = (word) => TONES[word] ?? TONES.none;

const KINDS = {
  upload: ["busy", "up"],
  download: ["good", "down"],
  mkdir: ["idle", "folder"],
  move: ["idle", "move"],
  delete: ["idle", "trash"],
  conflict: ["warn", "conflict"],
  settled: ["good", "check"],
  problem: ["warn", "problem"],
  pause: ["idle", "pause"],
  resume: ["idle", "play"],
};

export const kindLook = (kind) => KINDS[kind] ?? ["idle", "info"];

export const labelOf = (config) => config.label || config.directory.replace(/[\\/]+$/, "").split(/[\\/]/).pop() || config.directory;

export const hostOf = (server) => server.replace(/^[a-z]+:\/\//, "");
