// A task's log as it is written, over server-sent events, and the search through all of it. It follows
// the end until you scroll away.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { coloured, plain } from "../lib/ansi";
import type { Found } from "../lib/crannog";
import { plural } from "../lib/format";
import { useLoad, useSettled } from "../lib/use";
import { Problem } from "./basics";
import { Icon } from "./icon";

const KEEP = 400_000;

export function Log({ url, live, find }: { url: string; live: boolean; find?: (text: string) => Promise<Found> }) {
  const [text, setText] = useState("");
  const [state, setState] = useState<"open" | "done" | "lost">("open");
  const [follow, setFollow] = useState(true);
  const [wanted, setWanted] = useState("");
  const box = useRef<HTMLPreElement>(null);

  useEffect(() => {
    setText("");
    setState("open");
    const stream = new EventSource(url);
    // A stream that was broken off starts over when the browser opens it again.
    stream.onopen = () => setText("");
    stream.addEventListener("log", (event) => {
      const part = JSON.parse((event as MessageEvent<string>).data) as { text: string };
      setText((old) => (old + part.text).slice(-KEEP));
      setState("open");
    });
    stream.addEventListener("done", () => {
      stream.close();
      setState("done");
    });
    stream.onerror = () => setState("lost");
    return () => stream.close();
  }, [url]);

  useEffect(() => {
    if (follow && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [text, follow, wanted]);

  const onScroll = () => {
    const pre = box.current;
    if (pre) setFollow(pre.scrollHeight - pre.scrollTop - pre.clientHeight < 24);
  };
  const shown = useMemo(() => coloured(text).map(({ text, style }, at) => (style ? <span key={at} class={style}>{text}</span> : text)), [text]);
  const note = state === "done" ? "End of log" : state === "lost" ? "Connection lost, trying again…" : live ? "Live" : "Reading…";
  return (
    <div class="log">
      <div class="log-bar">
        <span class={`log-note ${state}`}><Icon name={state === "done" ? "check" : state === "lost" ? "warn" : "arc"} size={13} class={state === "open" ? "turn" : ""} />{note}</span>
        {!follow && !wanted && <button type="button" class="btn small" onClick={() => setFollow(true)}>Follow the end</button>}
        {find && <span class="filter log-find"><Icon name="search" size={14} /><input type="search" value={wanted} placeholder="Search the log" aria-label="Search the log" onInput={(e) => setWanted(e.currentTarget.value)} /></span>}
      </div>
      {wanted && find ? <Lines wanted={wanted} find={find} every={state === "open" ? 2_000 : undefined} /> : <pre ref={box} onScroll={onScroll} tabIndex={0} aria-label="Log">{text ? shown : state === "done" ? "(the task wrote nothing)" : ""}</pre>}
    </div>
  );
}

function Lines({ wanted, find, every }: { wanted: string; find: (text: string) => Promise<Found>; every?: number }) {
  const settled = useSettled(wanted);
  const loaded = useLoad(() => find(settled), [settled], every);
  const found = loaded.data;
  return (
    <>
      <p class="log-found" aria-live="polite">{found ? (found.total === 0 ? "No line has it." : `${plural(found.total, "line")}${found.more ? `, the first ${found.lines.length} are shown` : ""}`) : "Searching…"}</p>
      {loaded.error && <Problem error={loaded.error} retry={loaded.reload} />}
      <pre tabIndex={0} aria-label="Lines found">{found?.lines.map((line) => <span key={line.line} class="log-line"><i>{line.line}</i><span>{marked(plain(line.text), settled)}</span></span>)}</pre>
    </>
  );
}

/** The text with what was looked for marked, wherever its case agrees or not. */
function marked(text: string, wanted: string) {
  const parts = [];
  const [low, looked] = [text.toLowerCase(), wanted.toLowerCase()];
  // A text whose lower case has another length is left unmarked: places would not agree.
  if (!looked || low.length !== text.length) return text;
  let from = 0;
  for (let at = low.indexOf(looked); at >= 0; at = low.indexOf(looked, from)) {
    parts.push(text.slice(from, at), <mark key={at}>{text.slice(at, at + looked.length)}</mark>);
    from = at + looked.length;
  }
  return [...parts, text.slice(from)];
}
