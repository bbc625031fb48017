"""The local HTTP API of the sync service, for browser and shell: `page.WebPage` is public.

It binds loopback only and is told apart from every web page of other origins by three things that such a page cannot have: the
right Host and Origin, a secret that was handed over outside of the web, and a header that needs a permission nobody gets (S86).
"""
