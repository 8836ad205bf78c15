"""The console: pages under `/ops/` for those who work with the server, rendered here, with little script.

- a page's handler reads a form, calls the function of the domain that the API calls too, and shows what came of it;
  no rule stands here a second time. What a page says about a rule before somebody tries (why a button is not there)
  it has from the same function that refuses
- who is signed in: `sessions` and `access`; forms: `forms` and `once`; words: `words`; what is live: `live`
- nothing inline, nothing of another origin, nothing kept by the browser: `headers`
- one router a subject in `pages`; one layout, small macros in `templates`
"""
