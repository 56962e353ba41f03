// The yardstick: the least that a Worker in front of a model server can do. Reads nothing, decides nothing.
export default {
  async fetch(request, env) {
    const { pathname } = new URL(request.url);
    return fetch(env.UPSTREAM + pathname, request);
  },
};
