// A task's log as it is written, over server-sent events. It follows the end until you scroll away.
import { useEffect, useRef, useState } from "preact/hooks";
import { Icon } from "./icon";

const KEEP = 400_000;

export function Log({ url, live }: { url: string; live: boolean }) {
  const [text, setText] = useState("");
  const [state, setState] = useState<"open" | "done" | "lost">("open");
  const [follow, setFollow] = useState(true);
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
  }, [text, follow]);

  const onScroll = () => {
    const pre = box.current;
    if (pre) setFollow(pre.scrollHeight - pre.scrollTop - pre.clientHeight < 24);
  };
  const note = state === "done" ? "End of log" : state === "lost" ? "Connection lost, trying again…" : live ? "Live" : "Reading…";
  return (
    <div class="log">
      <div class="log-bar">
        <span class={`log-note ${state}`}><Icon name={state === "done" ? "check" : state === "lost" ? "warn" : "arc"} size={13} class={state === "open" ? "turn" : ""} />{note}</span>
        {!follow && <button type="button" class="btn small" onClick={() => setFollow(true)}>Follow the end</button>}
      </div>
      <pre ref={box} onScroll={onScroll} tabIndex={0} aria-label="Log">{text || (state === "done" ? "(the task wrote nothing)" : "")}</pre>
    </div>
  );
}
