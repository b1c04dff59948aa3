from django.apps import AppConfig


class ChatConfig(AppConfig):
    name = "chat"
    verbose_name = "Carrel"

    def ready(self) -> None:
        from chat.events import rights
        from chat.web import sign_ins

        rights.watch()
        sign_ins.watch()
