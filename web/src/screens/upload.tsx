// Uploading files and whole folders: a few at a time, each with its progress and a way to stop it. A large
// file goes in parts, and a part that failed is sent again.
import type { ComponentChildren } from "preact";
import { useRef, useState } from "preact/hooks";
import { asFailure } from "../lib/api";
import { bytes, plural } from "../lib/format";
import * as store from "../lib/objects";
import { Icon } from "../parts/icon";

/** A file and where it goes below the folder it was dropped on. */
export interface Given { file: File; path: string }
type State = "waiting" | "running" | "done" | "failed" | "stopped";
interface Upload { id: number; path: string; size: number; sent: number; state: State; why?: string; stop: AbortController; again: () => void }
export interface UploadList { list: Upload[]; finished: number; add: (given: Given[]) => void; clear: () => void; stopAll: () => void }

const AT_ONCE = 3;
const PART = 32 * 1024 * 1024;
const TRIES = 3;

export function useUploads(bucket: string, folder: string): UploadList {
  const [list, setList] = useState<Upload[]>([]);
  const [finished, setFinished] = useState(0);
  const queue = useRef<(() => Promise<void>)[]>([]);
  const running = useRef(0);
  const next = useRef(0);
  const change = (id: number, to: Partial<Upload>) => setList((old) => old.map((u) => (u.id === id ? { ...u, ...to } : u)));

  const pump = () => {
    while (running.current < AT_ONCE && queue.current.length > 0) {
      running.current += 1;
      void queue.current.shift()?.().finally(() => {
        running.current -= 1;
        pump();
        // The listing is read again when the last one is through, not after each of a thousand.
        if (running.current === 0) setFinished((n) => n + 1);
      });
    }
  };
  const enqueue = (id: number, key: string, file: File) => {
    const stop = new AbortController();
    change(id, { stop, state: "waiting", sent: 0, why: undefined });
    queue.current.push(async () => {
      if (stop.signal.aborted) return;
      change(id, { state: "running" });
      try {
        await put(bucket, key, file, stop.signal, (sent) => change(id, { sent }));
        change(id, { state: "done", sent: file.size });
      } catch (error) {
        if (stop.signal.aborted) change(id, { state: "stopped" });
        else change(id, { state: "failed", why: asFailure(error).message });
      }
    });
    pump();
  };
  const add = (given: Given[]) => {
    for (const { file, path } of given) {
      const id = next.current++;
      const key = folder + path;
      const again = () => enqueue(id, key, file);
      setList((old) => [...old, { id, path, size: file.size, sent: 0, state: "waiting", stop: new AbortController(), again }]);
      again();
    }
  };
  const busy = (u: Upload) => u.state === "waiting" || u.state === "running";
  const stopAll = () => setList((old) => old.map((u) => { if (busy(u)) u.stop.abort(); return u.state === "waiting" ? { ...u, state: "stopped" } : u; }));
  return { list, finished, add, stopAll, clear: () => setList((old) => old.filter(busy)) };
}

async function put(bucket: string, key: string, file: File, stop: AbortSignal, sent: (bytes: number) => void) {
  if (file.size <= 2 * PART) {
    await send(store.url(bucket, key), file, file.type, stop, sent);
    return;
  }
  const { id } = await store.uploadBegin(bucket, { key, content_type: file.type || undefined });
  try {
    const parts: { number: number; etag: string }[] = [];
    for (let from = 0, number = 1; from < file.size; from += size(file), number++) {
      const body = file.slice(from, from + size(file));
      const text = await patiently(() => send(store.partUrl(bucket, key, id, number), body, "", stop, (n) => sent(from + n)), stop);
      parts.push({ number, etag: (JSON.parse(text) as { etag: string }).etag });
    }
    await store.uploadComplete(bucket, id, { key, parts });
  } catch (error) {
    await store.uploadAbort(bucket, key, id).catch(() => undefined);
    throw error;
  }
}

/** At most 10,000 parts make a whole. */
const size = (file: File) => Math.max(PART, Math.ceil(file.size / 9_000));

async function patiently<T>(work: () => Promise<T>, stop: AbortSignal): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await work();
    } catch (error) {
      if (stop.aborted || tries >= TRIES) throw error;
      await new Promise((resolve) => setTimeout(resolve, 500 * tries));
    }
  }
}

/** XMLHttpRequest, because fetch does not report the progress of a body being sent. */
function send(url: string, body: Blob, type: string, stop: AbortSignal, sent: (bytes: number) => void): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const abort = () => request.abort();
    request.open("PUT", url);
    if (type) request.setRequestHeader("content-type", type);
    request.upload.onprogress = (event) => sent(event.loaded);
    request.onload = () => (request.status < 300 ? resolve(request.responseText) : reject(new Error(detail(request))));
    request.onerror = () => reject(new Error("The connection broke; nothing was stored."));
    request.onabort = () => reject(new Error("Stopped; nothing was stored."));
    request.onloadend = () => stop.removeEventListener("abort", abort);
    stop.addEventListener("abort", abort);
    request.send(body);
  });
}

function detail(request: XMLHttpRequest): string {
  try {
    const body = JSON.parse(request.responseText) as { detail?: string; title?: string; request_id?: string };
    return `${body.detail ?? body.title ?? request.statusText}${body.request_id ? ` (request ${body.request_id})` : ""}`;
  } catch {
    return `The server answered ${request.status}.`;
  }
}

const SHOWN = 50;
const ICONS = { done: ["check", "tone-ok"], failed: ["cross", "tone-bad"], stopped: ["slash", ""], running: ["up", ""], waiting: ["clock", ""] } as const;

export function Uploads({ uploads }: { uploads: UploadList }) {
  const { list } = uploads;
  if (list.length === 0) return null;
  const left = list.filter((u) => u.state === "waiting" || u.state === "running");
  const done = list.filter((u) => u.state === "done").length;
  const failed = list.filter((u) => u.state === "failed").length;
  const total = list.reduce((sum, u) => sum + u.size, 0);
  const sent = list.reduce((sum, u) => sum + (u.state === "done" ? u.size : u.sent), 0);
  // Of a thousand files those are shown that move or went wrong; the rest is a number.
  const shown = [...list].sort((a, b) => rank(a) - rank(b)).slice(0, SHOWN);
  return (
    <section class="card uploads" aria-label="Uploads">
      <header class="uploads-head">
        <b role="status">{left.length > 0 ? `Uploading ${plural(left.length, "file")}` : failed ? `${plural(failed, "file")} failed` : `${plural(done, "file")} stored`}</b>
        <span class="muted">{bytes(sent)} of {bytes(total)}</span>
        <progress class="grow" max={total || 1} value={total ? sent : 1} aria-label="All uploads" />
        {left.length > 0 ? <button type="button" class="btn small" onClick={uploads.stopAll}>Stop all</button> : <button type="button" class="btn small" onClick={uploads.clear}>Clear</button>}
      </header>
      <ul class="rows">
        {shown.map((u) => (
          <li key={u.id}>
            <Icon name={ICONS[u.state][0]} class={ICONS[u.state][1]} />
            <span class="cut upload-name" title={u.path}>{u.path}</span>
            {u.state === "failed" ? <span class="bad grow upload-why">{u.why}</span> : <progress class="grow" max={u.size || 1} value={u.state === "done" ? u.size || 1 : u.sent} aria-label={`${u.path}: ${bytes(u.sent)} of ${bytes(u.size)}`} />}
            <span class="muted upload-state">{u.state === "done" ? bytes(u.size) : u.state === "waiting" ? "Waiting" : u.state === "stopped" ? "Stopped" : u.state === "failed" ? "" : `${bytes(u.sent)} of ${bytes(u.size)}`}</span>
            {u.state === "running" && <button type="button" class="icon-btn" aria-label={`Stop ${u.path}`} onClick={() => u.stop.abort()}><Icon name="cross" /></button>}
            {(u.state === "failed" || u.state === "stopped") && <button type="button" class="btn small" onClick={u.again}>Try again</button>}
          </li>
        ))}
      </ul>
      {list.length > SHOWN && <p class="note">and {plural(list.length - SHOWN, "more file")}.</p>}
    </section>
  );
}

const rank = (u: Upload) => ["failed", "running", "waiting", "stopped", "done"].indexOf(u.state);

export function FolderInput({ onFiles }: { onFiles: (given: Given[]) => void }) {
  const choose = (input: HTMLInputElement) => {
    onFiles([...(input.files ?? [])].map((file) => ({ file, path: file.webkitRelativePath || file.name })));
    input.value = "";
  };
  return <label class="btn wide-only"><Icon name="folder" />Upload folder<input type="file" multiple class="sr" ref={(input) => { if (input) input.webkitdirectory = true; }} onChange={(e) => choose(e.currentTarget)} /></label>;
}

export function DropZone({ enabled, onFiles, children }: { enabled: boolean; onFiles: (given: Given[]) => void; children: ComponentChildren }) {
  const [over, setOver] = useState(false);
  if (!enabled) return <>{children}</>;
  return (
    <div
      class={`drop ${over ? "over" : ""}`}
      onDragOver={(e) => { e.preventDefault(); setOver(true); }}
      onDragLeave={(e) => { if (!e.currentTarget.contains(e.relatedTarget as globalThis.Node | null)) setOver(false); }}
      onDrop={(e) => { e.preventDefault(); setOver(false); void dropped(e.dataTransfer).then(onFiles); }}
    >
      {children}
      {over && <div class="drop-hint"><Icon name="up" size={22} />Drop files or folders to upload</div>}
    </div>
  );
}

/** What was dropped, with all that is in dropped folders. The entries must be taken before the event is over. */
async function dropped(data: DataTransfer | null): Promise<Given[]> {
  const entries = [...(data?.items ?? [])].map((item) => item.webkitGetAsEntry?.()).filter((entry): entry is FileSystemEntry => Boolean(entry));
  if (entries.length === 0) return [...(data?.files ?? [])].map((file) => ({ file, path: file.name }));
  return (await Promise.all(entries.map((entry) => walk(entry, "")))).flat();
}

async function walk(entry: FileSystemEntry, above: string): Promise<Given[]> {
  const path = above + entry.name;
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
    return [{ file, path }];
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const found: FileSystemEntry[] = [];
  // A reader gives a hundred at a time, and none when it is through.
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) break;
    found.push(...some);
  }
  return (await Promise.all(found.map((one) => walk(one, `${path}/`)))).flat();
}
