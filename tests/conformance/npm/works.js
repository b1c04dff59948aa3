// Every method, to success. Reads from stdin ids of what is there; prints what came true, by name.
import { readFileSync } from 'node:fs';
import * as sdk from './sdk.js';

const library = JSON.parse(readFileSync(0));
const client = sdk.client(process.env.KEY);
const uncalled = new Set(sdk.methods(client));
const seen = {};

const call = (name, ...given) => {
  uncalled.delete(name);
  return sdk.call(client, name, ...given);
};
const all = async (list) => {
  const items = [];
  for await (const item of list) items.push(item);
  return items;
};
const ids = (rows) => rows.map((row) => row.id ?? row.session_id ?? row.file_id);

const project = (await call('projects.list'))[0];
seen.project = (await call('projects.get', project.id)).id === project.id;

const made = await call('files.create', { file: await sdk.file('a.md', '# A'), purpose: 'user_data' });
seen.file = (await call('files.retrieve', made.id)).name === 'a.md';
seen.files = ids(await all(call('files.list', { page_size: 2 }))).includes(made.id);
const queried = await call('files.query', { filter: { file_ids: [made.id] } });
seen.queried = queried.items[0].id === made.id;
const bytes = await fetch((await call('files.content', made.id)).url);
seen.bytes = (await bytes.text()) === '# A';

const directory = await call('directories.create', { name: 'Post' });
const at = { directory_id: directory.id };
seen.renamed = (await call('directories.update', directory.id, { name: 'Mail' })).name === 'Mail';
seen.directory = (await call('directories.get', directory.id)).name === 'Mail';
seen.directories = ids(await all(call('directories.list', { name: 'Mail' }))).includes(directory.id);
const added = await call('directories.files.add', directory.id, { file_id: made.id });
const upload_file = await sdk.file('c.md', '# C');
const sent = await call('directories.files.upload', directory.id, { upload_file });
const changed = await call('directories.files.update', sent.id, { ...at, metadata: { year: 2026 } });
seen.changed = changed.metadata.year === 2026;
seen.entry = (await call('directories.files.get', added.id, at)).display_name === 'a.md';
await call('directories.files.delete', sent.id, at);
seen.entries = ids(await all(call('directories.files.list', directory.id))).join() === added.id;

const index = await call('indexes.create', { source_directory_id: directory.id });
while ((await call('indexes.get', index.id)).metadata.status !== 'ready')
  await new Promise((resume) => setTimeout(resume, 100));
await call('indexes.sync', index.id);
seen.indexes = ids(await all(call('indexes.list', { page_size: 1 }))).includes(index.id);
await call('indexes.delete', index.id);
await call('directories.delete', directory.id);
await call('files.delete', made.id);

const place = { index_id: library.index, file_id: library.file };
const search = { index_id: library.index, query: 'red beacon' };
const [best] = (await call('retrieval.retrieve', search)).results;
seen.best = best.static_fields.parsed_directory_file_id === library.file;
seen.found = ids(await all(call('retrieval.find', { index_id: library.index })))[0] === library.file;
const matches = await all(call('retrieval.grep', { ...place, pattern: 'b.acon' }));
seen.matches = matches.length === 1;
seen.text = (await call('retrieval.read', place)).content.includes('painted red');

const session = (await call('chat.create', { index_ids: [library.index] })).session_id;
const question = { index_ids: [], prompt: 'Which beacon is red?' };
const answer = await (await call('chat.stream', session, question).asResponse()).text();
seen.answer = answer.includes('"type":"stop","is_error":false');
seen.summary = (await call('chat.getSummary', session)).job_metadata.is_error === false;
seen.events = (await call('chat.retrieve', session)).events.at(-1).type === 'stop';
seen.sessions = ids(await all(call('chat.list', { page_size: 1 })))[0] === session;
await call('chat.delete', session);

console.log(JSON.stringify({ seen, uncalled: [...uncalled] }));
