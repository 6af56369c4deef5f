// One object beside its folder: a look inside, all that is known of it, its versions, who refers to it.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { baseName, bytes, number } from "../lib/format";
import * as store from "../lib/objects";
import { setQuery, usePlace } from "../lib/router";
import { useMay } from "../lib/session";
import { useLoad } from "../lib/use";
import { Card, Copy, Empty, Facts, Problem, Skeleton, Time } from "../parts/basics";
import { Icon } from "../parts/icon";
import { PreviewBody } from "../parts/preview";
import { CopyObject, DeleteMany, EditLock, EditMetadata, EditTags, Presign } from "./object-dialogs";
import { Restore } from "./objects";
import { ReferencedBy } from "./referenced";

type Dialog = "share" | "copy" | "delete" | "tags" | "metadata" | "lock";
interface Props { bucket: store.Bucket; name: string; version?: string; folder: string; after: () => void }

export function ObjectPanel({ bucket, name, version, folder, after }: Props) {
  const { query } = usePlace();
  const { edit } = useMay();
  const [dialog, setDialog] = useState<Dialog>();
  const found = useLoad(() => store.details(bucket.name, name, version), [bucket.name, name, version]);
  const object = found.data;
  const keeps = bucket.versioning !== "off";
  const tab = query.get("tab") ?? "preview";
  const tabs = [["preview", "Preview"], ["details", "Details"], ...(keeps ? [["versions", "Versions"]] : [])];
  const close = () => setDialog(undefined);
  const changed = () => { found.reload(); after(); };
  const file = object && { name: name.slice(folder.length), size: object.size, type: object.content_type, url: store.url(bucket.name, name, { version }), inlineUrl: store.url(bucket.name, name, { version, inline: true }) };
  return (
    <Card flush class="viewer">
      <header class="object-head">
        <span class="object-name"><Icon name="file" /><b>{baseName(name)}</b>{version && <code title={version}>{store.shortVersion(version)}</code>}</span>
        <button type="button" class="icon-btn" title="Close" aria-label="Close the object" onClick={() => setQuery({ object: null, version: null, tab: null })}><Icon name="cross" /></button>
      </header>
      <div class="object-bar">
        {file && <a class="btn small" href={file.url} download={baseName(name)}><Icon name="down" />Download</a>}
        {object && <button type="button" class="btn small" onClick={() => setDialog("share")}><Icon name="link" />Share</button>}
        {object && edit && <button type="button" class="btn small" onClick={() => setDialog("copy")}><Icon name="copy" />Copy or move</button>}
        {edit && <button type="button" class="btn small quiet-danger" onClick={() => setDialog("delete")}><Icon name="trash" />Delete</button>}
      </div>
      <nav class="tabs" aria-label="Object">
        {tabs.map(([id, label]) => <button key={id} type="button" aria-current={tab === id ? "page" : undefined} onClick={() => setQuery({ tab: id === "preview" ? null : id })}>{label}</button>)}
      </nav>
      {found.error && (found.error.status === 404 && keeps ? <Empty kind="none" icon="slash" title="This object was deleted">{keeps && <p>Its earlier versions are under Versions.</p>}</Empty> : <Problem error={found.error} retry={found.reload} />)}
      {!object && !found.error && <div class="card-body"><Skeleton /></div>}
      {tab === "preview" && file && object?.encryption === "customer" && <Empty kind="none" icon="lock" title="Encrypted with a key its client holds">Only who has the key can read it.</Empty>}
      {tab === "preview" && file && object?.encryption !== "customer" && <PreviewBody file={file} key={file.url} />}
      {tab === "details" && object && <ObjectFacts bucket={bucket} object={object} edit={edit} open={setDialog} />}
      {tab === "versions" && keeps && <Versions bucket={bucket.name} name={name} current={version} edit={edit} after={changed} />}
      {dialog === "share" && object && <Presign bucket={bucket.name} object={object} version={version} close={close} />}
      {dialog === "copy" && <CopyObject bucket={bucket.name} name={name} version={version} close={close} after={after} />}
      {dialog === "delete" && <DeleteMany bucket={bucket} chosen={{ objects: [{ key: name, version: version ?? "", size: object?.size ?? 0 }], prefixes: [], versions: version !== undefined }} close={close} after={() => { setQuery({ object: null, version: null, tab: null }); after(); }} />}
      {dialog === "tags" && object && <EditTags bucket={bucket.name} object={object} version={version} close={close} after={changed} />}
      {dialog === "metadata" && object && <EditMetadata bucket={bucket} object={object} version={version} close={close} after={changed} />}
      {dialog === "lock" && object && <EditLock bucket={bucket.name} object={object} version={version} close={close} after={changed} />}
    </Card>
  );
}

function ObjectFacts({ bucket, object, edit, open }: { bucket: store.Bucket; object: store.Details; edit: boolean; open: (dialog: Dialog) => void }) {
  const uri = `s3://${bucket.name}/${object.key}`;
  return (
    <div class="card-body">
      <div class="uri"><code>{uri}</code><Copy text={uri} label="Copy the address" /></div>
      <Facts items={[
        ["Size", <span title={`${number(object.size)} bytes`}>{bytes(object.size)}</span>], ["Type", object.content_type ?? "unknown"], ["Changed", <Time at={object.last_modified} />], ["ETag", <code>{object.etag}</code>],
        bucket.versioning !== "off" && ["Version", <span class="id"><code>{object.version}</code><Copy text={object.version} label="Copy version id" /></span>],
        ["Storage class", object.storage_class ?? "STANDARD"], object.encryption !== null && ["Encrypted", { server: "with the server's key", customer: "with a key its client holds" }[object.encryption] ?? `with key ${object.encryption}`], object.owner !== "crannog" && ["Owner", object.owner], object.parts !== null && ["Uploaded in", `${object.parts} parts`], object.redirect !== null && ["Redirects to", <code>{object.redirect}</code>],
        ...Object.entries(object.checksums).map(([name, sum]): [string, ComponentChildren] => [name, <code>{sum}</code>]),
      ]} />
      <Section title="Tags" edit={edit} open={() => open("tags")} pairs={object.tags} none="No tags." />
      <Section title="Metadata" edit={edit} open={() => open("metadata")} pairs={{ ...named(object.headers), ...object.metadata }} none="No metadata of its own." />
      {bucket.object_lock && (
        <section class="facts-section">
          <header><h3>Lock</h3>{edit && <button type="button" class="btn small" onClick={() => open("lock")}><Icon name="edit" />Edit</button>}</header>
          <p class="muted">{object.legal_hold ? "Under legal hold." : "No legal hold."} {object.retention ? <>Kept until <b>{new Date(object.retention.until).toLocaleString("en-GB")}</b> in {object.retention.mode.toLowerCase()} mode.</> : "No retention."}</p>
        </section>
      )}
      <ReferencedBy bucket={bucket.name} name={object.key} />
    </div>
  );
}

/** `cache_control` as HTTP spells it. */
const named = (headers: store.Pairs): store.Pairs =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.split("_").map((word) => word[0]?.toUpperCase() + word.slice(1)).join("-"), value]));

function Section({ title, pairs, none, edit, open }: { title: string; pairs: store.Pairs; none: string; edit: boolean; open: () => void }) {
  const rows = Object.entries(pairs);
  return (
    <section class="facts-section">
      <header><h3>{title}</h3>{edit && <button type="button" class="btn small" onClick={open}><Icon name="edit" />Edit</button>}</header>
      {rows.length === 0 ? <p class="muted">{none}</p> : <table class="pairs"><tbody>{rows.map(([key, value]) => <tr key={key}><th scope="row">{key}</th><td>{value}</td></tr>)}</tbody></table>}
    </section>
  );
}

function Versions({ bucket, name, current, edit, after }: { bucket: string; name: string; current?: string; edit: boolean; after: () => void }) {
  // The key itself sorts first among all that begin with it, so one page holds its newest versions.
  const list = useLoad(async () => (await store.versions(bucket, name, null, "")).versions.filter((v) => v.key === name), [bucket, name]);
  const [doomed, setDoomed] = useState<store.Obj>();
  const changed = () => { list.reload(); after(); };
  if (list.error) return <Problem error={list.error} retry={list.reload} />;
  if (!list.data) return <div class="card-body"><Skeleton /></div>;
  return (
    <>
      <ul class="rows versions">
        {list.data.map((v) => (
          <li key={v.version} aria-current={v.version === current || (!current && v.latest) ? "true" : undefined}>
            <span class="grow version-line">
              <button type="button" class="link" onClick={() => setQuery({ version: v.latest ? null : v.version, tab: null })} disabled={v.marker}><code title={v.version}>{store.shortVersion(v.version)}</code></button>
              {v.latest && <span class="status tone-ok"><Icon name="check" size={12} />Latest</span>}
              {v.marker && <span class="status tone-warn"><Icon name="slash" size={12} />Delete marker</span>}
              <span class="muted"><Time at={v.last_modified} />{!v.marker && `, ${bytes(v.size)}`}</span>
            </span>
            {!v.marker && <a class="icon-btn" href={store.url(bucket, name, { version: v.version })} download={baseName(name)} title="Download" aria-label={`Download version ${v.version}`}><Icon name="down" /></a>}
            {edit && (v.marker ? v.latest : !v.latest) && <Restore bucket={bucket} object={v} after={changed} />}
            {edit && <button type="button" class="icon-btn" title="Delete for good" aria-label={`Delete version ${v.version}`} onClick={() => setDoomed(v)}><Icon name="trash" /></button>}
          </li>
        ))}
      </ul>
      {doomed && <DeleteMany bucket={{ name: bucket } as store.Bucket} chosen={{ objects: [doomed], prefixes: [], versions: true }} close={() => setDoomed(undefined)} after={changed} />}
    </>
  );
}
