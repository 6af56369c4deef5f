// One trace: its spans as a tree with timing bars, what went in and came out of each, and how it was judged.
import { useState } from "preact/hooks";
import { ms, number, plural } from "../lib/format";
import * as ml from "../lib/mlflow";
import { go, path, setQuery, usePlace } from "../lib/router";
import { useMay } from "../lib/session";
import * as tr from "../lib/traces";
import { useLoad } from "../lib/use";
import { Card, Facts, Id, Page, Problem, Skeleton, Tags, Time } from "../parts/basics";
import { type Addresses, CodeBlock, UseFromCode } from "../parts/code";
import { Confirm } from "../parts/dialog";
import { Icon, type IconName } from "../parts/icon";
import { Status } from "../parts/status";
import { Assessments } from "./trace-assessments";

export function TraceScreen({ id }: { id: string }) {
  const { query } = usePlace();
  const { edit } = useMay();
  const [deleting, setDeleting] = useState(false);
  const loaded = useLoad(() => tr.trace(id), [id], (one) => (one?.info.state === "IN_PROGRESS" ? 3_000 : undefined));
  const info = loaded.data?.info;
  const home = info?.trace_location?.mlflow_experiment?.experiment_id;
  const experiment = useLoad(async () => (home === undefined ? undefined : ml.experiment(home)), [home]);
  if (!loaded.data || !info) return <Page title="Trace" crumbs={[{ label: "Experiments", href: "/experiments" }]}>{loaded.error ? <Problem error={loaded.error} retry={loaded.reload} /> : <Card><Skeleton rows={8} /></Card>}</Page>;
  const { spans } = loaded.data;
  const name = tr.nameOf(info);
  const list = home === undefined ? "/experiments" : `${path("experiments", home)}?tab=traces`;
  const chosen = spans.find((span) => span.id === query.get("span")) ?? spans.findLast((span) => span.state === "ERROR") ?? spans[0];
  const run = info.trace_metadata?.["mlflow.sourceRun"];
  const tokens = info.trace_metadata?.["mlflow.trace.tokenUsage"];
  return (
    <Page
      title={name} heading={<>{name}<Status state={info.state} /></>}
      crumbs={[{ label: "Experiments", href: "/experiments" }, { label: experiment.data?.name ?? "…", href: home === undefined ? undefined : path("experiments", home) }, { label: "Traces", href: list }]}
      actions={<>
        <UseFromCode snippets={(at) => snippets(at, id)} />
        {edit && <button type="button" class="btn quiet-danger" onClick={() => setDeleting(true)}><Icon name="trash" />Delete</button>}
      </>}
    >
      <Card>
        <Facts items={[
          ["Trace id", <Id id={id} />], ["Started", <Time at={info.request_time} />], ["Took", ms(tr.tookOf(info))], ["Spans", number(spans.length)],
          run ? ["Run", <a href={path("runs", run)}><code>{run.slice(0, 8)}</code></a>] : null,
          tokens ? ["Tokens", tokenText(tokens)] : null,
          info.trace_metadata?.["mlflow.trace.session"] ? ["Session", info.trace_metadata["mlflow.trace.session"]] : null,
          ["User", info.trace_metadata?.["mlflow.trace.user"] ?? info.trace_metadata?.["mlflow.user"] ?? "–"],
          ["Tags", <Tags tags={tr.userTags(info)} />],
        ]} />
      </Card>
      <div class="trace">
        <Card flush title={<>Spans <span class="count">{spans.length}</span></>} class="spans">
          {spans.length === 0 ? <p class="note">No span has been logged yet.</p> : <Tree spans={spans} chosen={chosen?.id} />}
        </Card>
        <div class="stack">
          {chosen && <SpanCard span={chosen} />}
          <Assessments info={info} after={loaded.reload} />
        </div>
      </div>
      {deleting && home !== undefined && (
        <Confirm title="Delete the trace" submit="Delete" close={() => setDeleting(false)} save={() => tr.tracesDelete(home, [id])} after={() => go(list)}>
          <p><b>{name}</b> with its {plural(spans.length, "span")} and assessments is removed for good.</p>
        </Confirm>
      )}
    </Page>
  );
}

function tokenText(text: string): string {
  try {
    const { input_tokens: input, output_tokens: output, total_tokens: total } = JSON.parse(text) as Record<string, number>;
    return `${number(total)} (${number(input)} in, ${number(output)} out)`;
  } catch {
    return text;
  }
}

const ICONS: Record<string, IconName> = { LLM: "bolt", CHAT_MODEL: "bolt", AGENT: "user", TOOL: "gear", RETRIEVER: "search", CHAIN: "link", EMBEDDING: "layers", RERANKER: "sort", PARSER: "code", FUNCTION: "code" };

/** Rows in the order of the tree; each is a link, so that a span has an address. */
function Tree({ spans, chosen }: { spans: tr.Span[]; chosen?: string }) {
  const [folded, setFolded] = useState<ReadonlySet<string>>(new Set());
  const { query } = usePlace();
  const end = Math.max(1e-6, ...spans.map((span) => span.start + (Number.isFinite(span.took) ? span.took : 0)));
  const fold = (id: string) => setFolded((old) => { const next = new Set(old); if (!next.delete(id)) next.add(id); return next; });
  const href = (id: string) => { const next = new URLSearchParams(query); next.set("span", id); return `?${next}`; };
  const step = (event: KeyboardEvent) => {
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    const rows = [...(event.currentTarget as HTMLElement).querySelectorAll<HTMLElement>("a")];
    const next = rows[rows.indexOf(document.activeElement as HTMLElement) + (event.key === "ArrowDown" ? 1 : -1)];
    if (next) { event.preventDefault(); next.focus(); }
  };
  let hiddenBelow = Infinity;
  return (
    <ul class="span-tree" aria-label="Spans" onKeyDown={step}>
      {spans.map((span) => {
        if (span.depth > hiddenBelow) return null;
        hiddenBelow = folded.has(span.id) ? span.depth : Infinity;
        const width = Math.max(0.6, (100 * (Number.isFinite(span.took) ? span.took : end - span.start)) / end);
        return (
          <li key={span.id} class={span.state === "ERROR" ? "failed" : ""}>
            {span.children > 0
              ? <button type="button" class="icon-btn" style={{ marginLeft: `${Math.min(span.depth, 12) * 14}px` }} aria-expanded={!folded.has(span.id)} aria-label={`Children of ${span.name}`} onClick={() => fold(span.id)}><Icon name="chevron" size={11} /></button>
              : <span class="leaf" style={{ marginLeft: `${Math.min(span.depth, 12) * 14}px` }} />}
            <a href={href(span.id)} aria-current={span.id === chosen ? "true" : undefined} onClick={(event) => { event.preventDefault(); setQuery({ span: span.id }); }}>
              <span class="span-name"><Icon name={span.state === "ERROR" ? "warn" : ICONS[span.kind] ?? "dot"} size={14} /><span class="cut">{span.name}</span>{span.state === "ERROR" && <span class="sr">failed</span>}<b>{ms(span.took)}</b></span>
              <span class="span-time" aria-hidden="true"><i style={{ marginLeft: `${Math.min(99.4, (100 * span.start) / end)}%`, width: `${Math.min(width, 100)}%` }} /></span>
            </a>
          </li>
        );
      })}
    </ul>
  );
}

function SpanCard({ span }: { span: tr.Span }) {
  const others = Object.entries(span.attributes);
  return (
    <Card title={<>{span.name}<span class="tag"><b>{span.kind.toLowerCase().replace("_", " ")}</b></span>{span.state !== "UNSET" && <Status state={span.state} />}</>}>
      {span.message && <p class="problem"><Icon name="warn" /><span>{span.message}</span></p>}
      <Facts items={[["Began after", ms(span.start)], ["Took", ms(span.took)]]} />
      <Payload label="Inputs" value={span.inputs} />
      <Payload label="Outputs" value={span.outputs} />
      {others.length > 0 && <Payload label="Attributes" value={span.attributes} folded />}
      {span.events.map((event, i) => <Payload key={i} label={`Event: ${event.name}, after ${ms(event.at)}`} value={event.attributes["exception.stacktrace"] ?? event.attributes} folded={event.name !== "exception"} />)}
    </Card>
  );
}

function Payload({ label, value, folded = false }: { label: string; value: unknown; folded?: boolean }) {
  if (value === undefined) return null;
  const text = typeof value === "string" ? value : JSON.stringify(value, null, 2);
  return <details class="payload" open={!folded}><summary>{label}</summary><CodeBlock code={text} /></details>;
}

const snippets = (at: Addresses, id: string) => [
  { label: "Python", code: `import mlflow\n\nmlflow.set_tracking_uri("${at.http}")\ntrace = mlflow.get_trace("${id}")\nfor span in trace.data.spans:\n    print(span.name, span.inputs, span.outputs)` },
  { label: "Feedback", code: `import mlflow\n\nmlflow.set_tracking_uri("${at.http}")\nmlflow.log_feedback(trace_id="${id}", name="correct", value=True)` },
  { label: "curl", code: `${at.curl} -u "$MLFLOW_TRACKING_USERNAME:$MLFLOW_TRACKING_PASSWORD" \\\n  "${at.http}/api/3.0/mlflow/traces/get?trace_id=${id}"` },
];
