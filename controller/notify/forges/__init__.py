"""Commit statuses, posted to the forge that a repo lies on: GitHub, GitLab, Gitea, Forgejo.

`reconcile` calls `sender`, and `statuses` to say what there is to post.
"""
