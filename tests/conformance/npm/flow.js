// The published flow with the npm SDK. Prints what it saw as one JSON object.
import LlamaCloud, { toFile } from '@llamaindex/llama-cloud';

const client = new LlamaCloud({ baseURL: process.env.URL, apiKey: process.env.KEY });
const { beta } = client;
const seen = {};

const ready = async (id) => {
  for (;;) {
    const { status } = (await beta.indexes.get(id)).metadata;
    if (status === 'ready' || status === 'failed') return status;
    await new Promise((resume) => setTimeout(resume, 100));
  }
};
const all = async (list) => {
  const items = [];
  for await (const item of list) items.push(item);
  return items;
};

const directory = await beta.directories.create({ name: 'Birds', project_id: null });
const bytes = Buffer.from('# Heron\n\nThe heron fishes at dawn.\n');
const file = await client.files.create({
  file: await toFile(bytes, 'Reiher 漢.md'),
  purpose: 'user_data',
});
const entry = await beta.directories.files.add(directory.id, { file_id: file.id });
const index = await beta.indexes.create({ source_directory_id: directory.id });
seen.file = { name: file.name, type: file.file_type };
seen.status = await ready(index.id);

const place = { index_id: index.id, file_id: entry.id };
const found = await beta.retrieval.retrieve({ index_id: index.id, query: 'heron at dawn' });
seen.found = found.results[0].static_fields.parsed_directory_file_id === entry.id;
seen.names = (await all(beta.retrieval.find({ index_id: index.id }))).map((f) => f.file_name);
seen.matches = (await all(beta.retrieval.grep({ ...place, pattern: 'h.ron' }))).length;
seen.text = (await beta.retrieval.read(place)).content;

const session = await beta.chat.create({ index_ids: [index.id] });
const question = { index_ids: [], prompt: 'When does the heron fish?' };
const answer = await beta.chat.stream(session.session_id, question).asResponse();
const lines = (await answer.text()).split('\n').filter((line) => line.startsWith('data: '));
seen.streamed = lines.map((line) => JSON.parse(line.slice(6)).type);
const kept = await beta.chat.retrieve(session.session_id);
seen.kept = kept.events.map((event) => event.type);
seen.title = kept.generated_title;
const listed = await all(beta.chat.list({ project_id: null, page_size: 1 }));
seen.listed = listed.some((one) => one.session_id === session.session_id);

await beta.chat.delete(session.session_id);
await beta.indexes.delete(index.id);
await beta.directories.delete(directory.id);
seen.gone = await beta.chat.retrieve(session.session_id).catch((error) => error.status);
console.log(JSON.stringify(seen));
