"""``fillstream report``: the dashboards as one page of HTML, for people without Grafana."""
