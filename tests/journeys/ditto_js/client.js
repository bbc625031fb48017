// A Ditto client that knows the printed numbers only. Reads one JSON object with what to do from standard input, prints one.
"use strict";

const crypto = require("node:crypto");
const fs = require("node:fs");
const grpc = require("@grpc/grpc-js");
const loader = require("@grpc/proto-loader");

const given = JSON.parse(fs.readFileSync(0, "utf8"));
const md5 = (data) => crypto.createHash("md5").update(data).digest("hex");

const definition = loader.loadSync(given.proto, { keepCase: true, longs: Number, enums: String, defaults: true });
const services = grpc.loadPackageDefinition(definition).dittocloud.dittofile.v1;
const plain = grpc.credentials.createInsecure();
const options = { "grpc.max_send_message_length": 8 << 20 };
const [auth, files, watcher] = ["DittoAuthService", "DittoFileService", "DittoWatchService"].map(
  (name) => new services[name](given.address, plain, options),
);

const metadata = new grpc.Metadata();
const call = (client, method, request) =>
  new Promise((resolve, reject) => {
    client[method](request, metadata, { deadline: Date.now() + 20000 }, (error, answer) =>
      error ? reject(error) : resolve(answer),
    );
  });
const status = (promise) => promise.then(() => "OK", (error) => grpc.status[error.code]);

// A repeatable shuffle.
const shuffled = (list, seed) => {
  const found = [...list];
  for (let at = found.length - 1; at > 0; at -= 1) {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    const other = seed % (at + 1);
    [found[at], found[other]] = [found[other], found[at]];
  }
  return found;
};

async function main() {
  const told = {};
  told.wrong = await status(call(auth, "Authenticate", { ...given.login, password: "nonsense" }));
  told.without = await status(call(files, "ListFiles", {}));
  const login = await call(auth, "Authenticate", given.login);
  told.login = { type: login.token_type, lives: login.expires_in > 0, refresh: login.refresh_token.length > 0 };
  metadata.set("authorization", `${login.token_type} ${login.access_token}`);

  const stream = watcher.Watch(metadata);
  const events = [];
  const created = new Promise((resolve) => stream.on("data", (answer) => answer.created && resolve(answer.watch_uuid)));
  stream.on("data", (answer) => events.push(...answer.events));
  stream.on("error", () => {});
  stream.write({ create_request: { watch_uuid: "js", watches: ["FILE_WRITTEN", "FILEBLOCK_UPLOADED"] } });
  told.watch = await created;

  const content = fs.readFileSync(given.file);
  const size = 1 << 20;
  const file = await call(files, "CreateFile", {
    file: { name: "from-js.bin", size: content.length, type: "bin", md5: md5(content) },
  });
  told.created = file.status;
  const numbers = [...Array(Math.ceil(content.length / size)).keys()];
  const send = (no, lost) => {
    const block = content.subarray(no * size, (no + 1) * size);
    const request = { file_uuid: file.uuid, block: { block_no: no, block_size: block.length, md5: md5(block), block } };
    if (!lost) return call(files, "UploadFileBlock", request);
    // The answer is lost: the call is cancelled once it was sent.
    return new Promise((resolve) => {
      const doomed = files.UploadFileBlock(request, metadata, () => resolve());
      setTimeout(() => doomed.cancel(), 5);
    });
  };
  const order = shuffled([...numbers, ...numbers.slice(0, 3)], 7);
  for (let at = 0; at < order.length; at += 4) {
    await Promise.all(order.slice(at, at + 4).map((no, index) => send(no, index === 3 && at % 8 === 0)));
  }
  let missing = [];
  do {
    missing = [];
    let first = 0;
    do {
      const page = await call(files, "ListFileBlocks", { file_uuid: file.uuid, block_no: first, page_size: 3 });
      missing.push(...page.blocks.filter((block) => block.status === "NONE").map((block) => block.block_no));
      first = page.next_block_no;
    } while (first);
    await Promise.all(missing.map((no) => send(no)));
  } while (missing.length);
  const now = await call(files, "GetFile", { uuid: file.uuid });
  told.file = { status: now.status, size: now.size, md5: now.md5 === md5(content) };

  const until = Date.now() + 10000;
  const written = () => events.find((event) => event.file_written_event?.file_uuid === file.uuid);
  while (!written() && Date.now() < until) await new Promise((resolve) => setTimeout(resolve, 20));
  told.events = {
    written: written()?.file_written_event.file_size === content.length,
    blocks: [...new Set(events.filter((event) => event.fileblock_uploaded_event).map((event) => event.fileblock_uploaded_event.block_no))].length,
  };
  const cancelled = new Promise((resolve) => stream.on("data", (answer) => answer.cancelled && resolve(true)));
  stream.write({ cancel_request: { watch_uuid: "js" } });
  told.cancelled = await cancelled;
  stream.end();

  const listed = await call(files, "ListFiles", { status: "WRITTEN" });
  told.listed = listed.files.map((each) => each.name);
  if (given.delete) {
    await call(files, "DeleteFile", { uuid: file.uuid });
    told.deleted = await status(call(files, "GetFile", { uuid: file.uuid }));
  }
  console.log(JSON.stringify(told));
}

main().then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
