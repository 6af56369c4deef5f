// Data: the buckets, S3's and MLflow's alike.
import { useState } from "preact/hooks";
import { bytes, number, plural } from "../lib/format";
import * as store from "../lib/objects";
import { go, path, setQuery, usePlace } from "../lib/router";
import { useMay } from "../lib/session";
import { useLoad } from "../lib/use";
import { Card, Empty, Page, Problem, Skeleton, Time } from "../parts/basics";
import { CodeBlock, UseFromCode } from "../parts/code";
import { Field, FormModal } from "../parts/dialog";
import { Icon } from "../parts/icon";
import { Filter, Table } from "../parts/table";
import { DeleteBucket } from "./object-dialogs";

const SORTS: Record<string, (a: store.Bucket, b: store.Bucket) => number> = {
  name: (a, b) => a.name.localeCompare(b.name),
  objects: (a, b) => a.objects - b.objects,
  bytes: (a, b) => a.bytes - b.bytes,
  made: (a, b) => (a.created_at ?? "").localeCompare(b.created_at ?? ""),
};

export function DataScreen() {
  const { query } = usePlace();
  const { edit } = useMay();
  const [making, setMaking] = useState(false);
  const [doomed, setDoomed] = useState<store.Bucket>();
  const list = useLoad(store.buckets, [], 10_000);
  const text = query.get("q") ?? "";
  const sort = query.get("sort") ?? "name ASC";
  const [by = "name", way] = sort.split(" ");
  const rows = list.data?.filter((b) => b.name.includes(text.toLowerCase())).sort((a, b) => (SORTS[by]?.(a, b) ?? 0) * (way === "DESC" ? -1 : 1));
  const total = list.data?.reduce((sum, b) => sum + b.bytes, 0);
  return (
    <Page title="Data" actions={<><UseFromCode snippets={snippets} />{edit && <button type="button" class="btn primary" onClick={() => setMaking(true)}><Icon name="plus" />New bucket</button>}</>}>
      <div class="toolbar"><Filter value={text} onChange={(q) => setQuery({ q })} placeholder="Filter by name" label="Filter buckets by name" />{rows && <span class="muted">{plural(rows.length, "bucket")}, {bytes(total)} in all</span>}</div>
      {list.error && <Problem error={list.error} retry={list.reload} />}
      <Card flush>
        {!rows && !list.error && <div class="card-body"><Skeleton /></div>}
        {rows?.length === 0 && (text ? <Empty kind="none" title="No bucket has that name" clear={() => setQuery({ q: null })} /> : <Empty kind="start" icon="data" title="No bucket yet"><p>Make one here, or with any S3 client:</p><CodeBlock code={"aws s3 mb s3://datasets"} /></Empty>)}
        {rows && rows.length > 0 && (
          <Table
            label="Buckets" rows={rows} rowKey={(b) => b.name} href={(b) => path("data", b.name)} sort={sort} onSort={(to) => setQuery({ sort: to })}
            columns={[
              { id: "name", head: "Name", sort: "name", cell: (b) => <span class="bucket-name"><a class="strong" href={path("data", b.name)}>{b.name}</a><BucketMarks bucket={b} /></span> },
              { id: "objects", head: "Objects", class: "num", sort: "objects", cell: (b) => number(b.objects) },
              { id: "bytes", head: "Size", class: "num", sort: "bytes", cell: (b) => <span title={`${number(b.bytes)} bytes`}>{bytes(b.bytes)}</span> },
              { id: "made", head: "Created", sort: "made", class: "wide-only", cell: (b) => <Time at={b.created_at} /> },
              { id: "acts", head: <span class="sr">Actions</span>, class: "acts", cell: (b) => <><a class="icon-btn" href={`${path("data", b.name)}?view=settings`} title="Settings" aria-label={`Settings of bucket ${b.name}`}><Icon name="gear" /></a>{edit && <button type="button" class="icon-btn wide-only" title="Delete" aria-label={`Delete bucket ${b.name}`} onClick={() => setDoomed(b)}><Icon name="trash" /></button>}</> },
            ]}
          />
        )}
      </Card>
      {making && <NewBucket close={() => setMaking(false)} />}
      {doomed && <DeleteBucket bucket={doomed} close={() => setDoomed(undefined)} after={list.reload} />}
    </Page>
  );
}

/** What sets a bucket apart: it keeps versions, or locks them. */
export function BucketMarks({ bucket: b }: { bucket: store.Bucket }) {
  return (
    <>
      {b.versioning !== "off" && <span class="status tone-off" title={b.versioning === "enabled" ? "Every version of an object is kept" : "New versions are not kept; old ones are"}><Icon name="layers" size={14} />{b.versioning === "enabled" ? "Versions" : "Suspended"}</span>}
      {b.object_lock && <span class="status tone-off" title="Versions can be locked against deletion"><Icon name="lock" size={14} />Lock</span>}
    </>
  );
}

function NewBucket({ close }: { close: () => void }) {
  const [name, setName] = useState("");
  const [keep, setKeep] = useState(false);
  const [lock, setLock] = useState(false);
  const save = async () => {
    await store.bucketCreate({ name, versioning: keep && !lock ? "enabled" : undefined, object_lock: lock });
    go(path("data", name));
  };
  return (
    <FormModal title="New bucket" submit="Create" close={close} disabled={!name} save={save}>
      <Field label="Name" hint="3 to 63 lower-case letters, digits, dots and hyphens."><input value={name} onInput={(e) => setName(e.currentTarget.value.trim().toLowerCase())} autofocus required autocomplete="off" spellcheck={false} /></Field>
      <label class="choice"><input type="checkbox" checked={keep || lock} disabled={lock} onChange={(e) => setKeep(e.currentTarget.checked)} /><span><b>Keep versions</b><small>What is overwritten or deleted can be brought back.</small></span></label>
      <label class="choice"><input type="checkbox" checked={lock} onChange={(e) => setLock(e.currentTarget.checked)} /><span><b>Object lock</b><small>Versions can be kept from deletion until a date, or under legal hold. It cannot be turned off again.</small></span></label>
    </FormModal>
  );
}

const snippets = (at: { s3: string; region: string }) => [
  { label: "boto3", code: `import boto3\n\ns3 = boto3.client("s3", endpoint_url="${at.s3}", region_name="${at.region}")\nfor bucket in s3.list_buckets()["Buckets"]:\n    print(bucket["Name"])` },
  { label: "crannog", code: "crannog bucket create datasets --versioning\ncrannog bucket list\ncrannog object put data/ datasets/2026/ --recursive" },
  { label: "aws", code: `aws --endpoint-url ${at.s3} s3 ls` },
  { label: "s3fs", code: `import s3fs\n\nfs = s3fs.S3FileSystem(endpoint_url="${at.s3}")\nprint(fs.ls(""))` },
];
