"""The demo: six small systems of one coffee shop in a folder, three stories played on them, and what was seen.

stores      the six stores, as their owners make, edit and read them
stage       a folder with the stores and their config, and `datasyncd sync` on it
tour        steps and stories: what is done, what was seen where, and whether that is what should be seen
stories     the three stories
"""
