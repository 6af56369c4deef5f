// The access list of a bucket: who beside its owner may list it, put into it, or look at and change the list.
import { useState } from "preact/hooks";
import * as store from "../lib/objects";
import { useMay } from "../lib/session";
import { useLoad } from "../lib/use";
import { Card, Problem, Skeleton } from "../parts/basics";
import { Field, FormModal } from "../parts/dialog";
import { Icon } from "../parts/icon";
import { Table } from "../parts/table";

type Kind = "all" | "signed" | "log" | "account" | "email";
interface Row { kind: Kind; name: string; permission: string }

const GROUPS: Record<string, Kind> = {
  "http://acs.amazonaws.com/groups/global/AllUsers": "all",
  "http://acs.amazonaws.com/groups/global/AuthenticatedUsers": "signed",
  "http://acs.amazonaws.com/groups/s3/LogDelivery": "log",
};
const WHO: [Kind, string][] = [["all", "Everybody"], ["signed", "Everybody with a key"], ["log", "The access log"], ["account", "Account"], ["email", "E-mail address"]];
const RIGHTS: [string, string][] = [["READ", "list the bucket"], ["WRITE", "put, overwrite and delete"], ["READ_ACP", "read this list"], ["WRITE_ACP", "change this list"], ["FULL_CONTROL", "all of it"]];
const right = (permission: string) => RIGHTS.find(([id]) => id === permission)?.[1] ?? permission;

/** What the canned names of S3 stand for, beside the owner. */
const CANNED: [string, string, Row[]][] = [
  ["private", "The owner only", []],
  ["public-read", "Everybody lists", [{ kind: "all", name: "", permission: "READ" }]],
  ["public-read-write", "Everybody lists and puts", [{ kind: "all", name: "", permission: "READ" }, { kind: "all", name: "", permission: "WRITE" }]],
  ["authenticated-read", "Everybody with a key lists", [{ kind: "signed", name: "", permission: "READ" }]],
  ["log-delivery-write", "Access logs are written here", [{ kind: "log", name: "", permission: "WRITE" }, { kind: "log", name: "", permission: "READ_ACP" }]],
];

function rowOf({ Grantee: who, Permission }: store.Grant): Row {
  const kind = who.URI === undefined ? "account" : GROUPS[who.URI] ?? "account";
  return { kind, name: kind === "account" ? who.ID ?? who.URI ?? "" : "", permission: Permission };
}

function grantOf({ kind, name, permission }: Row): store.Grant {
  const group = Object.keys(GROUPS).find((uri) => GROUPS[uri] === kind);
  if (group) return { Grantee: { Type: "Group", URI: group }, Permission: permission };
  return { Grantee: kind === "email" ? { Type: "AmazonCustomerByEmail", EmailAddress: name } : { Type: "CanonicalUser", ID: name }, Permission: permission };
}

const key = (rows: Row[]) => JSON.stringify(rows.map((row) => [row.kind, row.name, row.permission]).sort());
const canned = (rows: Row[]) => CANNED.find(([, , grants]) => key(grants) === key(rows))?.[0] ?? "";

export function AccessList({ bucket }: { bucket: store.Bucket }) {
  const { admin } = useMay();
  const found = useLoad(() => store.settings(bucket.name), [bucket.name]);
  const [editing, setEditing] = useState(false);
  const list = found.data?.acl as store.AccessList | undefined;
  // What the visitor may not see, the server leaves out.
  if (found.data && !list) return null;
  const owner = list?.Owner?.ID ?? bucket.owner;
  const rows = (list?.Grants ?? []).map(rowOf);
  const off = JSON.stringify(found.data?.ownership ?? "").includes("BucketOwnerEnforced");
  const shut = (found.data?.["public-access-block"] as { IgnorePublicAcls?: boolean } | null)?.IgnorePublicAcls === true;
  const others = rows.filter((row) => row.name !== owner);
  return (
    <Card title="Access list" flush actions={admin && list && !off && <button type="button" class="btn small" onClick={() => setEditing(true)}><Icon name="edit" />Edit<span class="sr"> access list</span></button>}>
      {found.error && <Problem error={found.error} retry={found.reload} />}
      {!found.data && !found.error && <div class="card-body"><Skeleton rows={2} /></div>}
      {list && <Table label="Access list" rows={rows} rowKey={(row) => key([row])} columns={[
        { id: "who", head: "Who", cell: (row) => <Who row={row} owner={owner} /> },
        { id: "may", head: "May", cell: (row) => <span class="two-line"><span>{right(row.permission)}</span><small class="muted"><code>{row.permission}</code></small></span> },
      ]} />}
      {list && <p class="muted card-body acl-note">{off ? "Ownership is BucketOwnerEnforced: access lists are off, also those of objects, and only roles and the policy count." : shut && others.some((row) => row.kind === "all" || row.kind === "signed") ? "The public access block passes over what is granted to everybody." : "Of the bucket only: each object has a list of its own, and belongs to the account that put it unless Ownership says otherwise. A policy says more."}</p>}
      {editing && list && <EditList bucket={bucket.name} owner={owner} rows={rows} close={() => setEditing(false)} after={found.reload} />}
    </Card>
  );
}

function Who({ row, owner }: { row: Row; owner: string }) {
  if (row.kind === "account") return <span><b>{row.name}</b>{row.name === owner && <span class="muted"> owner</span>}</span>;
  const open = row.kind === "all" || row.kind === "signed";
  return <span class={open ? "status tone-warn" : "status"}><Icon name={open ? "warn" : "file"} size={14} />{WHO.find(([kind]) => kind === row.kind)?.[1]}</span>;
}

function EditList({ bucket, owner, rows: before, close, after }: { bucket: string; owner: string; rows: Row[]; close: () => void; after: () => void }) {
  const own = before.filter((row) => row.kind === "account" && row.name === owner);
  const [rows, setRows] = useState(before.filter((row) => !own.includes(row)));
  const change = (at: number, fields: Partial<Row>) => setRows(rows.map((row, i) => (i === at ? { ...row, ...fields } : row)));
  const choose = (name: string) => { const grants = CANNED.find(([id]) => id === name)?.[2]; if (grants) setRows(grants); };
  const save = () => {
    const kept = own.length > 0 ? own : [{ kind: "account" as Kind, name: owner, permission: "FULL_CONTROL" }];
    return store.settingPut(bucket, "acl", { Owner: { ID: owner }, Grants: [...kept, ...rows].map(grantOf) });
  };
  const named = rows.every((row) => row.name.trim() !== "" || (row.kind !== "account" && row.kind !== "email"));
  return (
    <FormModal title={`Access list of ${bucket}`} submit="Save" wide close={close} after={after} save={save} disabled={!named}>
      <Field label="Open to" hint="The lists S3 has names for; any other is made below."><select value={canned(rows)} onChange={(e) => choose(e.currentTarget.value)} autofocus>{canned(rows) === "" && <option value="">As below</option>}{CANNED.map(([id, label]) => <option key={id} value={id}>{label} ({id})</option>)}</select></Field>
      <ul class="grants" aria-label="Grants">
        <li class="muted"><Icon name="lock" /><span><b>{owner}</b> owns the bucket{own.some((row) => row.permission === "FULL_CONTROL") || own.length === 0 ? " and may do all." : "."}</span></li>
        {rows.map((row, at) => (
          <li key={at}>
            <select aria-label={`Who, grant ${at + 1}`} value={row.kind} onChange={(e) => change(at, { kind: e.currentTarget.value as Kind, name: "" })}>{WHO.map(([kind, label]) => <option key={kind} value={kind}>{label}</option>)}</select>
            {(row.kind === "account" || row.kind === "email") && <input aria-label={row.kind === "email" ? "E-mail address" : "Account id"} placeholder={row.kind === "email" ? "ann@example.org" : "a guest's name"} value={row.name} onInput={(e) => change(at, { name: e.currentTarget.value.trim() })} autocomplete="off" spellcheck={false} />}
            <select aria-label={`May, grant ${at + 1}`} value={row.permission} onChange={(e) => change(at, { permission: e.currentTarget.value })}>{RIGHTS.map(([id, label]) => <option key={id} value={id}>{label}</option>)}</select>
            <button type="button" class="icon-btn" aria-label={`Remove grant ${at + 1}`} onClick={() => setRows(rows.filter((_, i) => i !== at))}><Icon name="trash" /></button>
          </li>
        ))}
      </ul>
      <button type="button" class="btn small" onClick={() => setRows([...rows, { kind: "account", name: "", permission: "READ" }])}><Icon name="plus" />Add a grant</button>
      {rows.some((row) => row.kind === "all" && row.permission !== "READ") && <p class="status tone-warn"><Icon name="warn" size={14} />Everybody, without a key, may write or look behind the list.</p>}
    </FormModal>
  );
}
