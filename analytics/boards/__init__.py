"""Dashboards as code: one table of panels, from which Grafana's boards are made and ``fillstream report`` is drawn."""
