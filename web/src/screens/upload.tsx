// Uploading: drop files anywhere on the folder; each shows its progress and can be stopped.
import type { ComponentChildren } from "preact";
import { useRef, useState } from "preact/hooks";
import { objectUrl } from "../lib/crannog";
import { bytes } from "../lib/format";
import { Icon } from "../parts/icon";

interface Upload { id: number; name: string; size: number; sent: number; state: "waiting" | "running" | "done" | "failed"; why?: string; stop?: () => void }

/** One after another: the disk is one, and a page left open does not flood the server. */
export function useUploads(bucket: string, folder: string, after: () => void) {
  const [list, setList] = useState<Upload[]>([]);
  const tail = useRef<Promise<void>>(Promise.resolve());
  const next = useRef(0);
  const change = (id: number, to: Partial<Upload>) => setList((old) => old.map((u) => (u.id === id ? { ...u, ...to } : u)));
  const add = (files: File[]) => {
    for (const file of files) {
      const id = next.current++;
      const url = objectUrl(bucket, folder + file.name);
      setList((old) => [...old, { id, name: file.name, size: file.size, sent: 0, state: "waiting" }]);
      tail.current = tail.current.then(() => put(url, file, (to) => change(id, to))).then(after);
    }
  };
  return { list, add, clear: () => setList((old) => old.filter((u) => u.state === "waiting" || u.state === "running")) };
}

/** XMLHttpRequest, because fetch does not report the progress of a body being sent. */
function put(url: string, file: File, change: (to: Partial<Upload>) => void): Promise<void> {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    request.open("PUT", url);
    if (file.type) request.setRequestHeader("content-type", file.type);
    request.upload.onprogress = (event) => change({ sent: event.loaded });
    const fail = (why: string) => { change({ state: "failed", why }); resolve(); };
    request.onload = () => {
      if (request.status >= 300) return fail(detail(request));
      change({ state: "done", sent: file.size });
      resolve();
    };
    request.onerror = () => fail("The connection broke; nothing was stored.");
    request.onabort = () => fail("Stopped; nothing was stored.");
    change({ state: "running", stop: () => request.abort() });
    request.send(file);
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

export function Uploads({ list, clear }: { list: Upload[]; clear: () => void }) {
  if (list.length === 0) return null;
  return (
    <section class="card uploads" aria-label="Uploads">
      <ul class="rows">
        {list.map((u) => (
          <li key={u.id}>
            <Icon name={u.state === "done" ? "check" : u.state === "failed" ? "cross" : "up"} class={u.state === "done" ? "tone-ok" : u.state === "failed" ? "tone-bad" : ""} />
            <span class="cut upload-name">{u.name}</span>
            {u.state === "failed" ? <span class="bad grow cut">{u.why}</span> : <progress class="grow" max={u.size || 1} value={u.state === "done" ? u.size || 1 : u.sent} aria-label={`${u.name}: ${bytes(u.sent)} of ${bytes(u.size)}`} />}
            <span class="muted">{u.state === "done" ? "Stored" : u.state === "waiting" ? "Waiting" : u.state === "failed" ? "Failed" : `${bytes(u.sent)} of ${bytes(u.size)}`}</span>
            {u.state === "running" && <button type="button" class="icon-btn" aria-label={`Stop ${u.name}`} onClick={u.stop}><Icon name="cross" /></button>}
          </li>
        ))}
      </ul>
      <button type="button" class="btn small" onClick={clear}>Clear finished</button>
    </section>
  );
}

export function DropZone({ enabled, onFiles, children }: { enabled: boolean; onFiles: (files: File[]) => void; children: ComponentChildren }) {
  const [over, setOver] = useState(false);
  if (!enabled) return <>{children}</>;
  return (
    <div
      class={`drop ${over ? "over" : ""}`}
      onDragOver={(e) => { e.preventDefault(); setOver(true); }}
      onDragLeave={(e) => { if (!e.currentTarget.contains(e.relatedTarget as globalThis.Node | null)) setOver(false); }}
      onDrop={(e) => { e.preventDefault(); setOver(false); onFiles([...(e.dataTransfer?.files ?? [])]); }}
    >
      {children}
      {over && <div class="drop-hint"><Icon name="up" size={22} />Drop to upload</div>}
    </div>
  );
}
