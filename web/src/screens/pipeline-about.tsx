// What a pipeline's definition says of it besides its tasks: what starts it, within which bounds, with which parameters.
import type { ComponentChildren } from "preact";
import type { PipeParam, Pipeline, PipeSource, PipeTrigger } from "../lib/crannog";
import * as api from "../lib/crannog";
import { duration, plural, stamp } from "../lib/format";
import { keyPath, path } from "../lib/router";
import { useLoad } from "../lib/use";
import { Facts, Id, Time } from "../parts/basics";
import { Icon, type IconName } from "../parts/icon";

const CATCHUP: Record<string, string> = { none: "missed runs are left out", latest: "the last missed run is made up for", all: "all missed runs are made up for" };

export function PipelineFacts({ pipeline: p }: { pipeline: Pipeline }) {
  const at = (time: string | null | undefined) => stamp(time, p.timezone);
  // Of one whose text never was good nothing is known yet but where it comes from.
  if (p.error && p.tasks.length === 0) return <Facts items={[["Source", <SourceText pipeline={p} />]]} />;
  const crons = p.schedules?.length ? p.schedules : p.schedule ? [p.schedule] : [];
  return (
    <Facts items={[
      ["Schedule", p.schedule ? <>{p.schedule_text ?? ""} {crons.map((one) => <code key={one} class="cron">{one}</code>)}</> : p.triggers?.length ? "none, started by events" : "on demand"],
      !!p.schedule && ["Time zone", p.timezone ?? "UTC"],
      !!p.schedule && ["Next run", p.paused ? "paused" : p.next_run_at ? <>{at(p.next_run_at)} <span class="muted">(<Time at={p.next_run_at} />)</span></> : "none"],
      !!p.schedule && !!p.catchup && ["Catch-up", <><code>{p.catchup}</code>: {CATCHUP[p.catchup] ?? ""}</>],
      !!p.start_at && ["Not before", at(p.start_at)],
      !!p.end_at && ["Not after", at(p.end_at)],
      p.deadline_s != null && ["Deadline", `${duration(p.deadline_s * 1000).replace(/ 0 (s|min|h)$/, "").replace(".0 s", " s")} after a run is made`],
      ["Tasks", String(p.tasks.length)],
      p.max_active_runs !== undefined && ["At once", plural(p.max_active_runs, "run")],
      ["Source", <SourceText pipeline={p} />],
      !!p.commit && ["Commit", <Id id={p.commit} />],
    ]} />
  );
}

const KINDS: Record<string, (place: string) => ComponentChildren> = {
  file: (file) => <>the file <code>{file}</code></>,
  s3: (object) => <>the object <code>s3://{object}</code></>,
  git: (file) => <>the file <code>{file}</code> of the Git repository</>,
};

function split(source: string | null): [kind: string, place: string] {
  const [kind = "", ...rest] = (source ?? "").split(":");
  return [kind, rest.join(":")];
}

function SourceText({ pipeline }: { pipeline: Pipeline }) {
  const [kind, place] = split(pipeline.source);
  return <>{KINDS[kind]?.(place) ?? "written here or through the API"}</>;
}

/** Of a pipeline that is not edited here: where it is. */
export function EditedElsewhere({ pipeline }: { pipeline: Pipeline }) {
  const sources = useLoad(api.pipelineSources, []);
  const [kind, place] = split(pipeline.source);
  const source = sources.data?.find((one) => one.kind === kind);
  return (
    <p class="waits elsewhere">
      <Icon name="edit" />
      <span>It is edited and deleted where it comes from: {KINDS[kind]?.(place) ?? pipeline.source}{kind !== "s3" && source && <> {kind === "git" ? "at" : "in"} <code>{source.place}</code></>}. {live(source)}</span>
    </p>
  );
}

const live = (source?: PipeSource) => (source?.kind === "git" ? "What is pushed comes here by itself." : "What is saved there is live here by itself.");

const linked = (href: string, text: string) => <a href={href}><code>{text}</code></a>;

/** An event in words, the most telling part a link. */
function said(one: PipeTrigger): [IconName, ComponentChildren] {
  const any = one.subject === "*";
  switch (one.kind) {
    case "object_created":
      return ["file", <>an object is created in {linked(`${path("data", one.subject)}${one.prefix?.includes("/") ? `/${keyPath(one.prefix.slice(0, one.prefix.lastIndexOf("/") + 1))}` : ""}`, `${one.subject}/${one.prefix ?? ""}`)}{one.suffix && <> whose name ends in <code>{one.suffix}</code></>}</>];
    case "model_version":
      return ["cube", <>a version of {any ? "any model" : <>model {linked(path("models", one.subject), one.subject)}</>} is registered</>];
    case "alias_moved":
      return ["tag", <>{one.alias ? <>alias <code>{one.alias}</code></> : "any alias"} of {any ? "any model" : <>model {linked(path("models", one.subject), one.subject)}</>} is moved</>];
    case "run_finished":
      return ["flow", <>a run of {linked(path("pipelines", one.subject), one.subject)} ends {one.state === "finished" ? "in whatever way" : <>as <code>{one.state ?? "success"}</code></>}</>];
    case "canary":
      return ["bolt", <>a canary of {any ? "any endpoint" : <>endpoint {linked(path("endpoints", one.subject), one.subject)}</>} {one.state ? <>is <code>{one.state.replace("_", " ")}</code></> : "starts or ends"}</>];
    case "webhook":
      return ["link", <>its webhook is called{one.secret && <>, signed with the variable <code>{one.secret}</code></>}</>];
    default:
      return ["dot", <>{one.kind} {one.subject}</>];
  }
}

export function StartedBy({ pipeline }: { pipeline: Pipeline }) {
  const { triggers = [], name } = pipeline;
  if (triggers.length === 0) return null;
  return (
    <section class="spec" aria-label="Triggers">
      <h3>Starts when</h3>
      <ul>
        {triggers.map((one, i) => {
          const [icon, words] = said(one);
          return (
            <li key={i}>
              <Icon name={icon} />
              <span>
                {words}
                {one.kind === "webhook" && <small><span><code>POST {location.origin}{path("hooks", "pipelines", name)}</code>{!one.secret && <> with the token that <code>crannog pipeline token {name}</code> prints</>}</span></small>}
                {one.params && <small>{Object.entries(one.params).map(([key, value]) => <code key={key}>{key} = {value}</code>)}</small>}
              </span>
            </li>
          );
        })}
      </ul>
      {pipeline.trigger_note && <p class="bad">{pipeline.trigger_note}</p>}
    </section>
  );
}

export function Params({ params }: { params: PipeParam[] }) {
  if (params.length === 0) return null;
  return (
    <section class="spec" aria-label="Parameters">
      <h3>Parameters</h3>
      <ul>
        {params.map((one) => (
          <li key={one.name}>
            <code class="strong">{one.name}</code>
            <span>
              {one.type ?? "any value"}, {one.default === null ? "must be given" : <>default <code>{one.default || "empty"}</code></>}
              {takes(one) && <>, {takes(one)}</>}
              {one.description && <small>{one.description}</small>}
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}

/** What a parameter takes, beyond its type. */
export const takes = (one: PipeParam) =>
  [one.enum && `one of ${one.enum.join(", ")}`, one.minimum !== undefined && `at least ${one.minimum}`, one.maximum !== undefined && `at most ${one.maximum}`, one.pattern && `like ${one.pattern}`].filter(Boolean).join(", ");
