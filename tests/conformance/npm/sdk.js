// The methods the npm SDK has for what Carrel answers, named without `beta.`.
import LlamaCloud, { toFile } from '@llamaindex/llama-cloud';

const RESOURCES = [
  ...['projects', 'files', 'beta.directories', 'beta.directories.files'],
  ...['beta.indexes', 'beta.retrieval', 'beta.chat'],
];
const plain = (name) => name.replace('beta.', '');
const resource = (client, path) => path.split('.').reduce((place, name) => place[name], client);

export const client = (apiKey) =>
  new LlamaCloud({ baseURL: process.env.URL, apiKey, maxRetries: 0 });

export const methods = (client) =>
  RESOURCES.flatMap((path) =>
    Object.getOwnPropertyNames(Object.getPrototypeOf(resource(client, path)))
      .filter((name) => name !== 'constructor')
      .map((name) => plain(`${path}.${name}`)),
  );

export const call = (client, name, ...given) => {
  const [, path, method] = name.match(/(.*)\.(\w+)/);
  const place = RESOURCES.find((one) => plain(one) === path);
  return resource(client, place)[method](...given);
};

export const file = (name, text) => toFile(Buffer.from(text), name);
