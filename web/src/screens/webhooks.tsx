// Webhooks: who is told of new and removed objects, and what waits to be told.
import { useState } from "preact/hooks";
import { number } from "../lib/format";
import * as store from "../lib/objects";
import { useLoad } from "../lib/use";
import { Card, Copy, Empty, Problem, Skeleton, Time } from "../parts/basics";
import { CodeBlock } from "../parts/code";
import { Confirm, Field, FormModal, Modal } from "../parts/dialog";
import { Icon } from "../parts/icon";
import { Status } from "../parts/status";
import { Table } from "../parts/table";

export function WebhookList() {
  const list = useLoad(store.webhooks, [], 5_000);
  const [editing, setEditing] = useState<store.Webhook | "new">();
  const [made, setMade] = useState<store.Webhook>();
  const [doomed, setDoomed] = useState<store.Webhook>();
  return (
    <Card title="Webhooks" flush actions={<button type="button" class="btn primary" onClick={() => setEditing("new")}><Icon name="plus" />New webhook</button>}>
      {list.error && <Problem error={list.error} retry={list.reload} />}
      {!list.data && !list.error && <div class="card-body"><Skeleton rows={3} /></div>}
      {list.data?.length === 0 && <Empty kind="start" icon="bolt" title="No webhook yet"><p>A bucket's notifications can tell an address of yours about new and removed objects.</p></Empty>}
      {list.data && list.data.length > 0 && (
        <Table label="Webhooks" rows={list.data} rowKey={(w) => w.name} columns={[
          { id: "name", head: "Name", cell: (w) => <b>{w.name}</b> },
          { id: "url", head: "Address", cell: (w) => <span class="two-line"><code class="cut">{w.url}</code><small class="muted id"><span class="cut">{w.arn}</span><Copy text={w.arn} label="Copy the ARN" /></small></span> },
          { id: "state", head: "Deliveries", cell: (w) => (w.error ? <span class="two-line"><span><Status state="failed" /></span><small class="muted cut" title={w.error}>{w.error}</small></span> : w.waiting > 0 ? <Status state="waiting" note={`${w.waiting} wait`} /> : <Status state="ok" />) },
          { id: "waiting", head: "Waiting", class: "num", cell: (w) => <span title={w.oldest_at ?? undefined}>{number(w.waiting)}</span> },
          { id: "made", head: "Created", class: "wide-only", cell: (w) => <Time at={w.created_at} /> },
          { id: "acts", head: <span class="sr">Actions</span>, class: "acts", cell: (w) => <><button type="button" class="icon-btn" aria-label={`Edit ${w.name}`} onClick={() => setEditing(w)}><Icon name="edit" /></button><button type="button" class="icon-btn" aria-label={`Delete ${w.name}`} onClick={() => setDoomed(w)}><Icon name="trash" /></button></> },
        ]} />
      )}
      {editing && <EditWebhook webhook={editing === "new" ? undefined : editing} close={() => setEditing(undefined)} after={(w) => { list.reload(); setMade(w); }} />}
      {made && <Made webhook={made} close={() => setMade(undefined)} />}
      {doomed && <Confirm title={`Delete ${doomed.name}`} submit="Delete" close={() => setDoomed(undefined)} after={list.reload} save={() => store.webhookDelete(doomed.name)}><p><code>{doomed.url}</code> hears no more; {doomed.waiting > 0 ? `the ${number(doomed.waiting)} notices that wait for it are dropped.` : "nothing waits for it."}</p></Confirm>}
    </Card>
  );
}

function EditWebhook({ webhook, close, after }: { webhook?: store.Webhook; close: () => void; after: (webhook: store.Webhook) => void }) {
  const [name, setName] = useState(webhook?.name ?? "");
  const [url, setUrl] = useState(webhook?.url ?? "");
  return (
    <FormModal title={webhook?.name ?? "New webhook"} submit={webhook ? "Save" : "Create"} close={close} disabled={!name || !url} save={async () => after(await store.webhookPut(name, { url }))}>
      {!webhook && <Field label="Name" hint="Letters, digits, dots, hyphens and underscores."><input value={name} onInput={(e) => setName(e.currentTarget.value.trim())} autofocus autocomplete="off" spellcheck={false} /></Field>}
      <Field label="Address" hint="It is sent a POST for each event, signed with the webhook's secret."><input type="url" value={url} onInput={(e) => setUrl(e.currentTarget.value.trim())} placeholder="http://10.0.0.7:8080/crannog" /></Field>
    </FormModal>
  );
}

function Made({ webhook, close }: { webhook: store.Webhook; close: () => void }) {
  return (
    <Modal title={webhook.name} close={close}>
      <div class="modal-body">
        <p>The secret that proves a delivery is this server's, for any Standard Webhooks library. It is shown this once.</p>
        <CodeBlock code={webhook.secret ?? ""} />
        <p>In the notifications of a bucket the webhook is called:</p>
        <CodeBlock code={webhook.arn} />
      </div>
    </Modal>
  );
}
