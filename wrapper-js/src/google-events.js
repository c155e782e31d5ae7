/**
 * Google's events from before CloudEvents, `(data, context)`, and how each is written as the other. The
 * types and resources are those of Google's functions-framework for Node.js.
 *
 * @typedef {{ eventId?: string, timestamp?: string, eventType?: string, resource?: any, [key: string]: unknown }} Context
 * @typedef {{ data: any, context: Context, domain?: string }} BackgroundEvent
 * @typedef {import("./cloudevent.js").CloudEvent} CloudEvent
 */

const PUBSUB = "pubsub.googleapis.com";
const STORAGE = "storage.googleapis.com";
const FIRESTORE = "firestore.googleapis.com";
const FIREBASE = "firebase.googleapis.com";
const AUTH = "firebaseauth.googleapis.com";
const DATABASE = "firebasedatabase.googleapis.com";

const PUBSUB_TYPE = "google.pubsub.topic.publish";
const PUBSUB_MESSAGE = "type.googleapis.com/google.pubsub.v1.PubsubMessage";

/** @type {[cloudEvent: string, background: string, service: string][]} */
const TYPES = [
  ["google.cloud.pubsub.topic.v1.messagePublished", PUBSUB_TYPE, PUBSUB],
  ["google.cloud.pubsub.topic.v1.messagePublished", "providers/cloud.pubsub/eventTypes/topic.publish", PUBSUB],
  ["google.cloud.storage.object.v1.finalized", "google.storage.object.finalize", STORAGE],
  ["google.cloud.storage.object.v1.finalized", "providers/cloud.storage/eventTypes/object.change", STORAGE],
  ["google.cloud.storage.object.v1.deleted", "google.storage.object.delete", STORAGE],
  ["google.cloud.storage.object.v1.archived", "google.storage.object.archive", STORAGE],
  ["google.cloud.storage.object.v1.metadataUpdated", "google.storage.object.metadataUpdate", STORAGE],
  ["google.cloud.firestore.document.v1.written", "providers/cloud.firestore/eventTypes/document.write", FIRESTORE],
  ["google.cloud.firestore.document.v1.created", "providers/cloud.firestore/eventTypes/document.create", FIRESTORE],
  ["google.cloud.firestore.document.v1.updated", "providers/cloud.firestore/eventTypes/document.update", FIRESTORE],
  ["google.cloud.firestore.document.v1.deleted", "providers/cloud.firestore/eventTypes/document.delete", FIRESTORE],
  ["google.firebase.auth.user.v1.created", "providers/firebase.auth/eventTypes/user.create", AUTH],
  ["google.firebase.auth.user.v1.deleted", "providers/firebase.auth/eventTypes/user.delete", AUTH],
  ["google.firebase.analytics.log.v1.written", "providers/google.firebase.analytics/eventTypes/event.log", FIREBASE],
  ["google.firebase.database.ref.v1.created", "providers/google.firebase.database/eventTypes/ref.create", DATABASE],
  ["google.firebase.database.ref.v1.written", "providers/google.firebase.database/eventTypes/ref.write", DATABASE],
  ["google.firebase.database.ref.v1.updated", "providers/google.firebase.database/eventTypes/ref.update", DATABASE],
  ["google.firebase.database.ref.v1.deleted", "providers/google.firebase.database/eventTypes/ref.delete", DATABASE],
];

/** Where a resource's name is split into a CloudEvent's source and its subject. @type {Record<string, RegExp>} */
const RESOURCES = {
  [STORAGE]: /^(projects\/[^/]+\/buckets\/[^/]+)\/(objects\/.+)$/s,
  [FIRESTORE]: /^(projects\/[^/]+\/databases\/[^/]+)\/(documents\/.+)$/s,
  [FIREBASE]: /^(projects\/[^/]+)\/(events\/[^/]+)$/,
  [DATABASE]: /^projects\/[^/]+\/(instances\/[^/]+)\/(refs\/.+)$/s,
};

/** How the two call the same of a Firebase user. */
const USER_TIMES = [["createdAt", "createTime"], ["lastSignedInAt", "lastSignInTime"]];

/**
 * @param {any} body a JSON object
 * @param {string} url where Pub/Sub's push tells the topic, if it is told
 * @returns {BackgroundEvent | undefined} none if it is no such event
 */
export function backgroundOf(body, url) {
  const { message, subscription, context, data, domain } = body;
  if (subscription && !context && message?.data && message.messageId) {
    const name = /projects\/[^/?]+\/topics\/[^/?]+/.exec(url)?.[0] ?? null;
    const timestamp = message.publishTime || new Date().toISOString();
    const resource = { service: PUBSUB, type: PUBSUB_MESSAGE, name };
    return {
      context: { eventId: message.messageId, timestamp, eventType: PUBSUB_TYPE, resource },
      data: { "@type": PUBSUB_MESSAGE, data: message.data, attributes: message.attributes || {} },
    };
  }
  if (context !== null && typeof context === "object") return { data, context, domain };
  // The fields beside the data are the context, then.
  if (!("data" in body)) return undefined;
  const { data: own, ...rest } = body;
  return { data: own, context: rest, domain };
}

/**
 * @param {BackgroundEvent} event
 * @returns {CloudEvent | undefined} none if its type has no counterpart
 */
export function toCloudEvent({ data, context, domain }) {
  const known = TYPES.find(([, type]) => type === context.eventType);
  if (known === undefined || context.resource === undefined || data === null || typeof data !== "object") return undefined;
  const [type, , usual] = known;
  const { resource } = context;
  const service = (typeof resource === "object" && resource?.service) || usual;
  const name = String((typeof resource === "object" ? resource?.name : resource) ?? "");
  const split = RESOURCES[service]?.exec(name);
  let [source, subject] = split ? [split[1], split[2]] : [name, ""];
  /** @type {any} */
  let content = { ...data };
  if (service === PUBSUB) {
    content = { message: { publishTime: context.timestamp, messageId: context.eventId, ...data } };
  } else if (service === AUTH) {
    if (typeof data.metadata === "object") content.metadata = rename(data.metadata, 0, 1);
    if (data.uid) subject = `users/${data.uid}`;
  } else if (service === DATABASE) {
    const region = domain === undefined || domain === "firebaseio.com" ? "us-central1" : domain.split(".")[0];
    source = `projects/_/locations/${region}/${source}`;
  }
  return {
    specversion: "1.0",
    id: String(context.eventId ?? ""),
    time: context.timestamp,
    datacontenttype: "application/json",
    type,
    source: `//${service}/${source}`,
    ...(subject === "" ? {} : { subject }),
    data: content,
  };
}

/**
 * @param {CloudEvent} event in binary mode
 * @returns {BackgroundEvent} with a context of the event's attributes, if its type has no counterpart
 */
export function fromCloudEvent({ data, ...attributes }) {
  const known = TYPES.find(([type]) => type === attributes.type);
  const place = /^\/\/([^/]+)\/(.+)$/s.exec(attributes.source);
  if (known === undefined || place === null) return { data, context: attributes };
  const [, service, name] = place;
  const whole = attributes.subject === undefined ? name : `${name}/${attributes.subject}`;
  /** @type {any} */
  let resource = whole;
  /** @type {any} */
  let content = data !== null && typeof data === "object" && !Buffer.isBuffer(data) ? { ...data } : data;
  if (service === PUBSUB) {
    const { messageId, publishTime, ...message } = content?.message ?? content ?? {};
    resource = { service, name, type: PUBSUB_MESSAGE };
    content = message;
  } else if (service === STORAGE) {
    resource = { service, name: whole, type: content?.kind };
  } else if (service === AUTH) {
    resource = name;
    if (typeof content?.metadata === "object") content.metadata = rename(content.metadata, 1, 0);
  } else if (service === DATABASE) {
    resource = whole.replace(/\/locations\/[^/]+/, "");
  }
  const context = { eventId: attributes.id, timestamp: /** @type {string | undefined} */ (attributes.time), eventType: known[1], resource };
  return { data: content, context };
}

/**
 * @param {Record<string, unknown>} times
 * @param {0 | 1} from
 * @param {0 | 1} to
 */
function rename(times, from, to) {
  const names = new Map(USER_TIMES.map((pair) => [pair[from], pair[to]]));
  return Object.fromEntries(Object.entries(times ?? {}).map(([key, value]) => [names.get(key) ?? key, value]));
}
