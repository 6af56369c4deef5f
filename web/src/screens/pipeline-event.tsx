// What happened that made a run: the object, the version, the other run.
import type { ComponentChildren } from "preact";
import { bytes, number, stamp } from "../lib/format";
import { path } from "../lib/router";
import { Facts } from "../parts/basics";
import { CodeBlock } from "../parts/code";
import { folderHref } from "./bucket";

type Event = Record<string, unknown>;

const text = (value: unknown) => (typeof value === "string" ? value : value === null || value === undefined ? "" : JSON.stringify(value));

/** The link an event is about, and the facts it has told by itself. */
function about(event: Event): [label: string, what: ComponentChildren, told: string[]] | undefined {
  const of = (name: string) => text(event[name]);
  switch (of("kind")) {
    case "object_created":
      return ["Object", <a href={objectHref(of("bucket"), of("key"))}><code>s3://{of("bucket")}/{of("key")}</code></a>, ["bucket", "key"]];
    case "model_version":
    case "alias_moved":
      return ["Model version", <a href={path("models", of("model"), "versions", of("version"))}><code>{of("uri") || `models:/${of("model")}/${of("version")}`}</code></a>, ["model", "version", "uri"]];
    case "run_finished":
      return ["Run", <a href={path("pipeline-runs", of("run_id"))}>{of("pipeline")} <code>{of("run_id")}</code></a>, ["pipeline", "run_id"]];
    case "canary":
      return ["Endpoint", <a href={path("endpoints", of("endpoint"))}>{of("endpoint")}</a>, ["endpoint"]];
    default:
      return undefined;
  }
}

/** Where an object stands in the browser of its bucket. */
export const objectHref = (bucket: string, key: string) => folderHref(bucket, key.slice(0, key.lastIndexOf("/") + 1), key);

const LABELS: Record<string, string> = { event: "How", cause: "By", etag: "ETag", model_run_id: "Training run", logical_date: "Its logical date", time: "At" };
const labelOf = (name: string) => LABELS[name] ?? name.charAt(0).toUpperCase() + name.slice(1).replace(/_/g, " ");

export function EventFacts({ event, zone }: { event: Event; zone?: string }) {
  const lead = about(event);
  const told = new Set([...(lead?.[2] ?? []), "kind", "body"]);
  const rest = Object.entries(event).filter(([name, value]) => !told.has(name) && value !== null && value !== "" && text(value) !== "{}");
  return (
    <section class="spec event" aria-label="What started it">
      <h3>What started it</h3>
      <Facts items={[
        lead ? [lead[0], lead[1]] : ["Event", <code>{text(event.kind)}</code>],
        ...rest.map(([name, value]): [string, ComponentChildren] => [labelOf(name), shown(name, value, zone)]),
      ]} />
      {event.body !== undefined && event.body !== null && <CodeBlock code={typeof event.body === "string" ? event.body : JSON.stringify(event.body, null, 2)} />}
    </section>
  );
}

function shown(name: string, value: unknown, zone?: string): ComponentChildren {
  if (name === "time" || name === "logical_date") return stamp(text(value), zone);
  if (name === "size" && typeof value === "number") return <span title={`${number(value)} bytes`}>{bytes(value)}</span>;
  if (name === "model_run_id") return <a href={path("runs", text(value))}><code>{text(value)}</code></a>;
  return typeof value === "object" || name === "etag" ? <code>{text(value)}</code> : text(value);
}
