"""Anthropic's Messages API for engines that have only chat; others are asked as they are.

``messages`` is the way in: ``words`` asks (``parts`` are the blocks of messages), ``answer`` answers.
"""
