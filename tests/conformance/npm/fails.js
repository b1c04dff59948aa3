// Every method, to each of its failures. Reads from stdin what each is called with, as
// {method: [[status, [argument, …], {field: …}], …]}; prints what failed otherwise.
import { readFileSync } from 'node:fs';
import * as sdk from './sdk.js';

const failures = JSON.parse(readFileSync(0));
const client = sdk.client(process.env.KEY);
const stranger = sdk.client('crl-wrong');

const given = (value) =>
  value?.bytes ? sdk.file(value.name, 'x'.repeat(value.bytes)) : value;
const statusOf = async (from, name, args, fields) => {
  const sent = {};
  for (const [key, value] of Object.entries(fields)) sent[key] = await given(value);
  try {
    await sdk.call(from, name, ...args, sent);
    return 'no failure';
  } catch (error) {
    return error.status ?? String(error);
  }
};

const surprises = [];
const expect = async (from, name, [status, args, fields]) => {
  const got = await statusOf(from, name, args, fields);
  if (got !== status) surprises.push({ name, args, fields, status, got });
};
for (const name of sdk.methods(client)) {
  if (!failures[name]) surprises.push({ name, got: 'not in the table' });
  for (const failure of failures[name] ?? []) await expect(client, name, failure);
  const [, args, fields] = failures[name]?.[0] ?? [0, [], {}];
  await expect(stranger, name, [401, args, fields]);
}
console.log(JSON.stringify({ surprises, methods: sdk.methods(client).length }));
