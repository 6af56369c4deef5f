// Data: the buckets, S3's and MLflow's alike.
import { useState } from "preact/hooks";
import * as api from "../lib/crannog";
import { bytes, number, plural } from "../lib/format";
import { go, path, setQuery, usePlace } from "../lib/router";
import { useMay } from "../lib/session";
import { useLoad } from "../lib/use";
import { Card, Empty, Page, Problem, Skeleton, Time } from "../parts/basics";
import { CodeBlock, UseFromCode } from "../parts/code";
import { Confirm, Field, FormModal } from "../parts/dialog";
import { Icon } from "../parts/icon";
import { Filter, Table } from "../parts/table";

export function DataScreen() {
  const { query } = usePlace();
  const { edit } = useMay();
  const [making, setMaking] = useState(false);
  const [doomed, setDoomed] = useState<api.Bucket>();
  const list = useLoad(api.buckets, [], 10_000);
  const text = query.get("q") ?? "";
  const rows = list.data?.filter((b) => b.name.includes(text.toLowerCase()));
  return (
    <Page title="Data" actions={<><UseFromCode snippets={snippets} />{edit && <button type="button" class="btn primary" onClick={() => setMaking(true)}><Icon name="plus" />New bucket</button>}</>}>
      <div class="toolbar"><Filter value={text} onChange={(q) => setQuery({ q })} placeholder="Filter by name" label="Filter buckets by name" />{rows && <span class="muted">{plural(rows.length, "bucket")}</span>}</div>
      {list.error && <Problem error={list.error} retry={list.reload} />}
      <Card flush>
        {!rows && !list.error && <div class="card-body"><Skeleton /></div>}
        {rows?.length === 0 && (text ? <Empty kind="none" title="No bucket has that name" clear={() => setQuery({ q: null })} /> : <Empty kind="start" icon="data" title="No bucket yet"><p>Make one here, or with any S3 client:</p><CodeBlock code={"aws s3 mb s3://datasets"} /></Empty>)}
        {rows && rows.length > 0 && (
          <Table
            label="Buckets" rows={rows} rowKey={(b) => b.name} href={(b) => path("data", b.name)}
            columns={[
              { id: "name", head: "Name", cell: (b) => <a class="strong" href={path("data", b.name)}>{b.name}</a> },
              { id: "objects", head: "Objects", class: "num", cell: (b) => number(b.objects) },
              { id: "bytes", head: "Size", class: "num", cell: (b) => bytes(b.bytes) },
              { id: "made", head: "Created", cell: (b) => <Time at={b.created_at} /> },
              { id: "acts", head: <span class="sr">Actions</span>, class: "acts", cell: (b) => edit && <button type="button" class="icon-btn" aria-label={`Delete bucket ${b.name}`} onClick={() => setDoomed(b)}><Icon name="trash" /></button> },
            ]}
          />
        )}
      </Card>
      {making && <NewBucket close={() => setMaking(false)} />}
      {doomed && (
        <Confirm title={`Delete ${doomed.name}`} submit="Delete" close={() => setDoomed(undefined)} after={list.reload} save={() => api.bucketDelete(doomed.name)}>
          <p>{doomed.objects > 0 ? <>The bucket holds {plural(doomed.objects, "object")} ({bytes(doomed.bytes)}). Only an empty bucket can be deleted: delete those first.</> : <>The empty bucket <b>{doomed.name}</b> is removed.</>}</p>
        </Confirm>
      )}
    </Page>
  );
}

function NewBucket({ close }: { close: () => void }) {
  const [name, setName] = useState("");
  return (
    <FormModal title="New bucket" submit="Create" close={close} disabled={!name} save={async () => { await api.bucketCreate(name); go(path("data", name)); }}>
      <Field label="Name" hint="3 to 63 lower-case letters, digits, dots and hyphens."><input value={name} onInput={(e) => setName(e.currentTarget.value.trim().toLowerCase())} autofocus required /></Field>
    </FormModal>
  );
}

const snippets = (at: { s3: string; region: string }) => [
  { label: "boto3", code: `import boto3\n\ns3 = boto3.client("s3", endpoint_url="${at.s3}", region_name="${at.region}")\nfor bucket in s3.list_buckets()["Buckets"]:\n    print(bucket["Name"])` },
  { label: "aws", code: `aws --endpoint-url ${at.s3} s3 ls` },
  { label: "s3fs", code: `import s3fs\n\nfs = s3fs.S3FileSystem(endpoint_url="${at.s3}")\nprint(fs.ls(""))` },
];
