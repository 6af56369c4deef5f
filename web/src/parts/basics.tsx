// Small things every screen uses: page heads, times, ids, tags, empty states, errors, skeletons.
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { Failure } from "../lib/api";
import { ago, exact, millis } from "../lib/format";
import { useTitle } from "../lib/use";
import { Icon, type IconName } from "./icon";

export interface Crumb { label: string; href?: string }

export function Page(props: { title: string; heading?: ComponentChildren; crumbs?: Crumb[]; actions?: ComponentChildren; lead?: ComponentChildren; children?: ComponentChildren }) {
  useTitle(props.title);
  return (
    <div class="page">
      <header class="page-head">
        {props.crumbs && (
          <nav class="crumbs" aria-label="Breadcrumb">
            {props.crumbs.map((crumb, i) => (
              <span key={i}>{i > 0 && <i aria-hidden="true">/</i>}{crumb.href ? <a href={crumb.href}>{crumb.label}</a> : crumb.label}</span>
            ))}
          </nav>
        )}
        <div class="page-title">
          <h1>{props.heading ?? props.title}</h1>
          {props.actions && <div class="actions">{props.actions}</div>}
        </div>
        {props.lead && <div class="lead">{props.lead}</div>}
      </header>
      {props.children}
    </div>
  );
}

export function Card(props: { title?: ComponentChildren; actions?: ComponentChildren; flush?: boolean; class?: string; children?: ComponentChildren }) {
  return (
    <section class={`card ${props.class ?? ""}`}>
      {props.title && (
        <header class="card-head">
          <h2>{props.title}</h2>
          {props.actions && <div class="actions">{props.actions}</div>}
        </header>
      )}
      <div class={props.flush ? "" : "card-body"}>{props.children}</div>
    </section>
  );
}

export function Time({ at, empty = "–" }: { at: string | number | null | undefined; empty?: string }) {
  const time = millis(at);
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 15_000);
    return () => clearInterval(timer);
  }, []);
  if (time === null) return <span class="muted">{empty}</span>;
  return <time dateTime={new Date(time).toISOString()} title={exact(time)}>{ago(time, Math.max(now, Date.now() - 15_000))}</time>;
}

export function Copy({ text, label = "Copy" }: { text: string; label?: string }) {
  const [done, setDone] = useState(false);
  const copy = () => {
    copyText(text).then((ok) => {
      setDone(ok);
      if (ok) setTimeout(() => setDone(false), 1500);
    });
  };
  return (
    <button type="button" class="icon-btn" onClick={copy} title={label} aria-label={done ? "Copied" : label}>
      <Icon name={done ? "check" : "copy"} />
    </button>
  );
}

/** The clipboard interface exists only on secure origins; the old command also works on plain HTTP. */
async function copyText(text: string): Promise<boolean> {
  if (navigator.clipboard) return navigator.clipboard.writeText(text).then(() => true, () => false);
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}

export const Id = ({ id }: { id: string }) => <span class="id"><code title={id}>{id}</code><Copy text={id} label="Copy id" /></span>;

export function Tags({ tags }: { tags: { key: string; value: string }[] }) {
  if (tags.length === 0) return <span class="muted">–</span>;
  return (
    <span class="tags">
      {tags.map((tag) => <span class="tag" key={tag.key} title={`${tag.key}: ${tag.value}`}><b>{tag.key}</b>{tag.value && <span>{tag.value}</span>}</span>)}
    </span>
  );
}

/** Exactly three kinds: nothing yet (how to start), nothing matches (clear), all done. */
export function Empty(props: { kind: "start" | "none" | "done"; title: string; icon?: IconName; children?: ComponentChildren; clear?: () => void }) {
  const icon = props.icon ?? (props.kind === "done" ? "check" : props.kind === "none" ? "search" : "plus");
  return (
    <div class={`empty empty-${props.kind}`}>
      <span class="empty-icon"><Icon name={icon} size={20} /></span>
      <h3>{props.title}</h3>
      {props.children && <div class="empty-body">{props.children}</div>}
      {props.clear && <button type="button" class="btn" onClick={props.clear}>Clear filters</button>}
    </div>
  );
}

export function Problem({ error, retry }: { error: Failure; retry?: () => void }) {
  return (
    <div class="problem" role="alert">
      <Icon name="warn" />
      <div>
        <p>{error.message}</p>
        {error.requestId && <p class="request-id">Request <code>{error.requestId}</code> <Copy text={error.requestId} label="Copy request id" /></p>}
      </div>
      {retry && <button type="button" class="btn small" onClick={retry}>Try again</button>}
    </div>
  );
}

export function Skeleton({ rows = 5 }: { rows?: number }) {
  return (
    <div class="skeleton" role="status" aria-label="Loading">
      {Array.from({ length: rows }, (_, i) => <div key={i} style={{ width: `${[92, 78, 85, 66, 88, 72][i % 6]}%` }} />)}
    </div>
  );
}

export function Facts({ items }: { items: ([string, ComponentChildren] | false | null | undefined)[] }) {
  return (
    <dl class="facts">
      {items.map((item) => item && <div key={item[0]}><dt>{item[0]}</dt><dd>{item[1]}</dd></div>)}
    </dl>
  );
}

export function Tabs({ tabs, current, href }: { tabs: { id: string; label: string; count?: number }[]; current: string; href: (id: string) => string }) {
  return (
    <nav class="tabs" aria-label="Sections">
      {tabs.map((tab) => (
        <a key={tab.id} href={href(tab.id)} aria-current={tab.id === current ? "page" : undefined}>
          {tab.label}{tab.count !== undefined && <span class="count">{tab.count}</span>}
        </a>
      ))}
    </nav>
  );
}
