// Users, tokens and S3 keys: lists with one way to add and one way to remove. Secrets are shown once.
import { useState } from "preact/hooks";
import * as api from "../lib/crannog";
import { useMay } from "../lib/session";
import { useLoad } from "../lib/use";
import { Card, Empty, Problem, Skeleton, Time } from "../parts/basics";
import { CodeBlock } from "../parts/code";
import { Confirm, Field, FormModal, Modal } from "../parts/dialog";
import { Icon } from "../parts/icon";
import { Table } from "../parts/table";

const DAY = 86_400;

function Secret({ title, code, close }: { title: string; code: string; close: () => void }) {
  return (
    <Modal title={title} close={close}>
      <div class="modal-body"><p>Copy it now: it is not shown again.</p><CodeBlock code={code} /></div>
      <footer class="modal-foot"><button type="button" class="btn primary" onClick={close}>Done</button></footer>
    </Modal>
  );
}

export function TokenList() {
  const list = useLoad(api.tokens, []);
  const [making, setMaking] = useState(false);
  const [made, setMade] = useState<string>();
  const [doomed, setDoomed] = useState<api.Token>();
  const [label, setLabel] = useState("");
  const [days, setDays] = useState("90");
  return (
    <Card title="Tokens" flush actions={<button type="button" class="btn primary" onClick={() => setMaking(true)}><Icon name="plus" />New token</button>}>
      {list.error && <Problem error={list.error} retry={list.reload} />}
      {!list.data && !list.error && <div class="card-body"><Skeleton rows={3} /></div>}
      {list.data?.length === 0 && <Empty kind="start" icon="key" title="No token yet"><p>A token stands for you in scripts: <code>MLFLOW_TRACKING_TOKEN</code> or <code>CRANNOG_TOKEN</code>.</p></Empty>}
      {list.data && list.data.length > 0 && (
        <Table label="Tokens" rows={list.data} rowKey={(t) => t.id} columns={[
          { id: "label", head: "Label", cell: (t) => <b>{t.label}</b> }, { id: "user", head: "User", cell: (t) => t.user ?? "" },
          { id: "made", head: "Created", cell: (t) => <Time at={t.created_at} /> }, { id: "ends", head: "Expires", cell: (t) => <Time at={t.expires_at} empty="never" /> },
          { id: "acts", head: <span class="sr">Actions</span>, class: "acts", cell: (t) => <button type="button" class="icon-btn" aria-label={`Revoke ${t.label}`} onClick={() => setDoomed(t)}><Icon name="trash" /></button> },
        ]} />
      )}
      {making && (
        <FormModal title="New token" submit="Create" close={() => setMaking(false)} after={list.reload} disabled={!label.trim()} save={async () => setMade((await api.tokenCreate({ label: label.trim(), ttl_s: days ? Number(days) * DAY : undefined })).token)}>
          <Field label="Label" hint="Where it will be used."><input value={label} onInput={(e) => setLabel(e.currentTarget.value)} autofocus /></Field>
          <Field label="Expires"><select value={days} onChange={(e) => setDays(e.currentTarget.value)}><option value="7">in 7 days</option><option value="30">in 30 days</option><option value="90">in 90 days</option><option value="365">in a year</option><option value="">never</option></select></Field>
        </FormModal>
      )}
      {made && <Secret title="Your new token" code={`export MLFLOW_TRACKING_TOKEN=${made}`} close={() => setMade(undefined)} />}
      {doomed && <Confirm title="Revoke the token" submit="Revoke" close={() => setDoomed(undefined)} after={list.reload} save={() => api.tokenDelete(doomed.id)}><p>Whatever uses <b>{doomed.label}</b> is refused from its next request on.</p></Confirm>}
    </Card>
  );
}

export function KeyList() {
  const list = useLoad(api.s3Keys, []);
  const [making, setMaking] = useState(false);
  const [made, setMade] = useState<{ access_key_id: string; secret_access_key: string }>();
  const [doomed, setDoomed] = useState<api.S3Key>();
  const [label, setLabel] = useState("");
  const [user, setUser] = useState("");
  const { admin } = useMay();
  const names = useLoad(async () => (admin ? (await api.users()).map((u) => u.name) : []), [admin]);
  return (
    <Card title="S3 keys" flush actions={<button type="button" class="btn primary" onClick={() => setMaking(true)}><Icon name="plus" />New key</button>}>
      {list.error && <Problem error={list.error} retry={list.reload} />}
      {!list.data && !list.error && <div class="card-body"><Skeleton rows={3} /></div>}
      {list.data?.length === 0 && <Empty kind="start" icon="key" title="No S3 key yet"><p>boto3, aws, s3fs and rclone sign their requests with one.</p></Empty>}
      {list.data && list.data.length > 0 && (
        <Table label="S3 keys" rows={list.data} rowKey={(k) => k.access_key_id} columns={[
          { id: "label", head: "Label", cell: (k) => <b>{k.label}</b> }, { id: "id", head: "Access key", cell: (k) => <code>{k.access_key_id}</code> }, { id: "user", head: "User", cell: (k) => k.user ?? "" },
          { id: "made", head: "Created", cell: (k) => <><Time at={k.created_at} />{k.expires_at && <span class="muted">, ends <Time at={k.expires_at} /></span>}</> },
          { id: "acts", head: <span class="sr">Actions</span>, class: "acts", cell: (k) => <button type="button" class="icon-btn" aria-label={`Revoke ${k.label}`} onClick={() => setDoomed(k)}><Icon name="trash" /></button> },
        ]} />
      )}
      {making && (
        <FormModal title="New S3 key" submit="Create" close={() => setMaking(false)} after={list.reload} disabled={!label.trim()} save={async () => setMade(await api.s3KeyCreate({ label: label.trim(), user: user || undefined }))}>
          <Field label="Label" hint="Where it will be used."><input value={label} onInput={(e) => setLabel(e.currentTarget.value)} autofocus /></Field>
          {admin && <Field label="For" hint="Guests have keys and nothing else."><select value={user} onChange={(e) => setUser(e.currentTarget.value)}><option value="">yourself</option>{names.data?.map((one) => <option key={one} value={one}>{one}</option>)}</select></Field>}
        </FormModal>
      )}
      {made && <Secret title="Your new S3 key" code={`export AWS_ACCESS_KEY_ID=${made.access_key_id}\nexport AWS_SECRET_ACCESS_KEY=${made.secret_access_key}`} close={() => setMade(undefined)} />}
      {doomed && <Confirm title="Revoke the key" submit="Revoke" close={() => setDoomed(undefined)} after={list.reload} save={() => api.s3KeyDelete(doomed.id ?? doomed.access_key_id)}><p>Requests signed with <code>{doomed.access_key_id}</code> ({doomed.label}) are refused at once.</p></Confirm>}
    </Card>
  );
}

export function UserList() {
  const { me } = useMay();
  const list = useLoad(api.users, []);
  const [editing, setEditing] = useState<api.User | "new">();
  const [doomed, setDoomed] = useState<api.User>();
  return (
    <Card title="Users" flush actions={<button type="button" class="btn primary" onClick={() => setEditing("new")}><Icon name="plus" />New user</button>}>
      {list.error && <Problem error={list.error} retry={list.reload} />}
      {!list.data && !list.error && <div class="card-body"><Skeleton rows={3} /></div>}
      {list.data && (
        <Table label="Users" rows={list.data} rowKey={(u) => u.name} columns={[
          { id: "name", head: "Name", cell: (u) => <><b>{u.name}</b>{u.name === me?.user && <span class="muted"> (you)</span>}</> }, { id: "role", head: "Role", cell: (u) => u.role }, { id: "made", head: "Created", cell: (u) => <Time at={u.created_at} /> },
          { id: "acts", head: <span class="sr">Actions</span>, class: "acts", cell: (u) => <><button type="button" class="icon-btn" aria-label={`Edit ${u.name}`} onClick={() => setEditing(u)}><Icon name="edit" /></button>{u.name !== me?.user && <button type="button" class="icon-btn" aria-label={`Delete ${u.name}`} onClick={() => setDoomed(u)}><Icon name="trash" /></button>}</> },
        ]} />
      )}
      {editing && <EditUser user={editing === "new" ? undefined : editing} close={() => setEditing(undefined)} after={list.reload} />}
      {doomed && <Confirm title={`Delete ${doomed.name}`} submit="Delete" type={doomed.name} close={() => setDoomed(undefined)} after={list.reload} save={() => api.userDelete(doomed.name)}><p><b>{doomed.name}</b> can no longer sign in; their tokens and S3 keys stop working. What they made stays.</p></Confirm>}
    </Card>
  );
}

function EditUser({ user, close, after }: { user?: api.User; close: () => void; after: () => void }) {
  const [name, setName] = useState(user?.name ?? "");
  const [role, setRole] = useState<api.Role>(user?.role ?? "viewer");
  const [password, setPassword] = useState("");
  const [email, setEmail] = useState(user?.email ?? "");
  const guest = role === "guest";
  const told = email.trim() === (user?.email ?? "") ? undefined : email.trim();
  const save = () => (user ? api.userChange(user.name, { role: role === user.role ? undefined : role, password: password || undefined, email: told }) : api.userCreate({ name: name.trim(), role, password: password || undefined, email: told }));
  return (
    <FormModal title={user ? user.name : "New user"} submit={user ? "Save" : "Create"} close={close} after={after} disabled={!name.trim() || (!user && !guest && !password)} save={save}>
      {!user && <Field label="Name"><input value={name} onInput={(e) => setName(e.currentTarget.value)} autocomplete="off" autofocus /></Field>}
      <Field label="Role" hint={guest ? "An S3 account of its own: it sees what policies and ACLs grant it, and nothing else." : "Members have of experiments and models what they are granted, viewers see, editors change data, admins manage users and keys."}><select value={role} onChange={(e) => setRole(e.currentTarget.value as api.Role)}><option value="guest">guest</option><option value="member">member</option><option value="viewer">viewer</option><option value="editor">editor</option><option value="admin">admin</option></select></Field>
      {guest && <Field label="E-mail" hint="By which others may name it in an ACL; may stay empty."><input type="email" value={email} onInput={(e) => setEmail(e.currentTarget.value)} autocomplete="off" /></Field>}
      {!guest && <Field label={user ? "New password" : "Password"} hint={user ? "Leave it empty to keep the old one." : undefined}><input type="password" autocomplete="new-password" value={password} onInput={(e) => setPassword(e.currentTarget.value)} /></Field>}
    </FormModal>
  );
}
